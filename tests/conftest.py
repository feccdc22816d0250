"""Fixtures that all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest
from distributions import install
from plugin_distributions import DISTRIBUTIONS


class RunCli(Protocol):
    """Runs the installed `uss-plugins` in a process of its own."""

    def __call__(
        self, *args: str | Path, env: Mapping[str, str] | None = None, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Exit code and output of `uss-plugins ARGS`; `env` is added to the environment."""
        ...


@pytest.fixture(scope="session")
def run_cli() -> RunCli:
    """The console script as installed beside this Python."""
    script = Path(sys.executable).with_name("uss-plugins")

    def run(
        *args: str | Path, env: Mapping[str, str] | None = None, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script, *args],
            env={**os.environ, **(env or {})},
            input=input,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def plugin_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with installed plug-ins of all fates: good, broken, undeclared, claiming one name."""
    return install(tmp_path_factory.mktemp("plugins") / "installed", *DISTRIBUTIONS)
