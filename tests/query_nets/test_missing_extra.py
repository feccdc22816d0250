"""Without the extra `transformers` everything else works, and its nets say in one line how to get it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import RunCli

RECIPE = Path(__file__).parents[2] / "recipes" / "text" / "clap.yaml"


@pytest.fixture
def without(tmp_path: Path) -> dict[str, str]:
    """An environment in which Python finds no transformers."""
    script = tmp_path / "site" / "sitecustomize.py"
    script.parent.mkdir()
    script.write_text("import sys\nsys.modules['transformers'] = None\n")
    return {"PYTHONPATH": str(script.parent)}


def test_list_show_and_doctor_work(run_cli: RunCli, without: dict[str, str]) -> None:
    listing = json.loads(run_cli("list", "--json", env=without).stdout)
    names = {one["name"] for one in listing["components"]}
    assert {"clap", "ast", "cnn_small"} <= names
    shown = run_cli("show", "query-net", "clap", env=without)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "pretrained" in shown.stdout
    doctor = run_cli("doctor", env=without)
    assert "ok    without transformers, which some components need: pip install" in doctor.stdout
    assert doctor.returncode == 0


def test_using_it_names_the_command(
    run_cli: RunCli, without: dict[str, str], tmp_path: Path
) -> None:
    done = run_cli("train", RECIPE, "--exp-dir", tmp_path / "exp", env=without)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: Hugging Face's transformers is not installed; run: pip install")
    assert "'uss-plugins[transformers]'" in line
