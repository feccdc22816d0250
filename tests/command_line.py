"""The command line as tests call it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class RunCli(Protocol):
    """Runs the installed `uss-plugins` in a process of its own."""

    def __call__(
        self, *args: str | Path, env: Mapping[str, str] | None = None, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Exit code and output of `uss-plugins ARGS`; `env` is added to the environment."""
        ...
