"""Peak memory of long recordings: what is written, and what is joined with earlier runs."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from distributions import install
from project_wheel import outer_environment
from third_party import DISTRIBUTION, SEPARATOR_RATE

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
SYSTEM = {
    "query_net": "ear",
    "separator": "net",
    "parameters": {"width": 2},
    "model_rate": 16000,
    "bank": True,
    "options": [],
    "machine": {"cores": 2},
}


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("memory_results")


def run_of(results: Any, minutes: float, peak: float, sounding: float | None = None) -> Any:
    return results.Run(minutes, sounding, 6 * minutes, 0.1, 1.0, peak)


def test_a_recording_alone_has_no_ratio(results: Any, tmp_path: Path) -> None:
    found = results.record(tmp_path / "new" / "memory.json", SYSTEM, [run_of(results, 10, 400)])
    assert found["memory_ratio"] is None
    stored = json.loads((tmp_path / "new" / "memory.json").read_text())
    assert stored == {"measured": [found]}
    assert found["runs"][0]["peak_megabytes"] == 400


def test_runs_of_one_system_are_joined_by_length(results: Any, tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    results.record(path, SYSTEM, [run_of(results, 60, 500), run_of(results, 10, 400)])
    found = results.record(path, SYSTEM, [run_of(results, 60, 440), run_of(results, 60, 420, 2.0)])
    peaks = [
        (run["minutes"], run["sounding_minutes"], run["peak_megabytes"]) for run in found["runs"]
    ]
    assert peaks == [(10, None, 400), (60, None, 440), (60, 2.0, 420)]
    assert found["memory_ratio"] == 420 / 400


@pytest.mark.parametrize(
    "other",
    [{"query_net": "large"}, {"parameters": {}}, {"machine": {"cores": 4}}],
    ids=["query_net", "parameters", "machine"],
)
def test_other_systems_are_kept_and_not_compared(
    results: Any, tmp_path: Path, other: dict[str, Any]
) -> None:
    path = tmp_path / "memory.json"
    first = results.record(path, SYSTEM, [run_of(results, 10, 400)])
    second = results.record(path, {**SYSTEM, **other}, [run_of(results, 60, 800)])
    assert second["memory_ratio"] is None
    assert json.loads(path.read_text()) == {"measured": [first, second]}


def test_the_committed_result_has_this_layout(results: Any) -> None:
    content = json.loads((BENCHMARKS / "results" / "memory.json").read_text())
    for found in content["measured"]:
        assert found.keys() == {*SYSTEM, "runs", "memory_ratio"}
        assert found["memory_ratio"] == results.memory_ratio(found["runs"])
        for run in found["runs"]:
            results.Run(**run)


@pytest.mark.parametrize(("options", "bank"), [([], True), (["--no-bank"], False)])
def test_a_system_of_given_components_is_measured(
    tmp_path: Path, options: list[str], bank: bool
) -> None:
    site, path = install(tmp_path / "installed", DISTRIBUTION), tmp_path / "memory.json"
    system = [
        "--query-net",
        "tp_ear",
        "--separator",
        "tp_conv",
        "--model-rate",
        str(SEPARATOR_RATE),
    ]
    done = subprocess.run(
        [
            *(sys.executable, "benchmarks/bench_memory.py", "--minutes", "0.05", *system),
            *("--output", path, *options),
        ],
        cwd=ROOT,
        env={**outer_environment(), "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(path.read_text())["measured"]
    assert (found["query_net"], found["separator"]) == ("tp_ear", "tp_conv")
    assert found["bank"] is bank
    (run,) = found["runs"]
    assert 0 < run["first_written_seconds"] <= run["seconds"]
    assert run["peak_megabytes"] > 100
    assert "| 0.05 | all |" in done.stdout
