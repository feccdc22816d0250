"""How long the command line takes to start: whole processes, Python's own start included."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from measuring import Measure

PYTHON = sys.executable
SCRIPT = str(Path(PYTHON).with_name("uss-plugins"))
COMMANDS = {
    "python alone": [PYTHON, "-c", "pass"],
    "import registry": [PYTHON, "-c", "import registry"],
    "import uss_plugins.cli": [PYTHON, "-c", "import uss_plugins.cli"],
    "uss-plugins --help": [SCRIPT, "--help"],
    "uss-plugins list": [SCRIPT, "list"],
    "uss-plugins show separator resunet30": [SCRIPT, "show", "separator", "resunet30"],
}


@pytest.mark.benchmark(group="start-up, whole process")
@pytest.mark.parametrize("command", COMMANDS)
def test_start(measure: Measure, command: str) -> None:
    measure.process(COMMANDS[command], command, rounds=5)
