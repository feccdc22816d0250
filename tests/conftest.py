"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import RunCli
from distributions import install
from plugin_distributions import DISTRIBUTIONS

# A shell that starts the tests in the background has them ignore Ctrl-C, and their processes inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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


RELATIVE_ERRORS = pytest.StashKey[dict[str, float]]()


@pytest.fixture(autouse=True)
def _note_relative_errors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Note the largest relative error that a parity test measures."""
    measure: Callable[..., float] | None = getattr(request.module, "relative_error", None)
    if measure is None:
        return
    errors = request.config.stash.setdefault(RELATIVE_ERRORS, {})
    case = request.node.nodeid.rpartition("/")[2].replace(".py::", ": ")

    def noted(*arguments: Any) -> float:
        error = float(measure(*arguments))
        errors[case] = max(error, errors.get(case, 0.0))
        return error

    monkeypatch.setattr(request.module, "relative_error", noted)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The measured relative errors, as the table of recipes/audioset/README.md has them."""
    errors = config.stash.get(RELATIVE_ERRORS, {})
    if errors:
        terminalreporter.section("relative errors")
    for case, error in errors.items():
        terminalreporter.write_line(f"| {case} | {error:.1e} |")
