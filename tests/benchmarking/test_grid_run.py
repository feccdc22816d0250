"""A grid is run by the real command: cells, what they share, interruption, failure, several processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchmarking.small_grid import write_grid
from command_line import RunCli
from distributions import Distribution, install
from safetensors.torch import load_file

from uss_plugins.benchmarking.grid import load_grid
from uss_plugins.benchmarking.plan import plan_grid
from uss_plugins.benchmarking.results import GridResults, read_grid_results
from uss_plugins.benchmarking.work import GridExperiment
from uss_plugins.evaluation.results import read_results
from uss_plugins.recipe import load_recipe
from uss_plugins.training.devices import Devices
from uss_plugins.training.stages.separator import train_separator

ALONE = {"OMP_NUM_THREADS": "1"}
PATIENCE_SECONDS = 240.0
BROKEN = """
import os, signal
from registry import hookimpl
from uss_plugins.separators.resunet import ResUNet


class Deadly(ResUNet):
    def forward(self, mixture, condition):
        os.kill(os.getpid(), signal.SIGKILL)


class Raising(ResUNet):
    def forward(self, mixture, condition):
        raise RuntimeError("nothing\\nworks")


@hookimpl
def register_separators(register):
    register("deadly", "broken_separators:Deadly", summary="kills its process")
    register("raising", "broken_separators:Raising", summary="raises")
"""


def started(grid: Path, folder: Path, **variables: str) -> subprocess.Popen[str]:
    """The command in a process that is not waited for."""
    script = Path(sys.executable).with_name("uss-plugins")
    return subprocess.Popen(
        [script, "benchmark", grid, "--exp-dir", folder, "--device", "cpu"],
        env={**os.environ, **ALONE, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def folder(run_cli: RunCli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished grid, two choices on each axis."""
    folder = tmp_path_factory.mktemp("grid")
    options = ("--exp-dir", folder / "exp", "--device", "cpu", "--jobs", "2")
    done = run_cli("benchmark", write_grid(folder), *options, env=ALONE)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(
        "8 cells, 4 steps of training each; 0 combinations are impossible"
    )
    assert done.stdout == (folder / "exp" / "grid.md").read_text(encoding="utf-8") + "\n"
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> GridResults:
    return read_grid_results(folder / "exp")


def beginning(folder: Path, tmp_path: Path) -> Path:
    """A new grid folder with what the finished grid's cells shared."""
    shutil.copytree(folder / "exp" / "shared", tmp_path / "exp" / "shared")
    return tmp_path / "exp"


def test_every_cell_has_all_figures(folder: Path, results: GridResults) -> None:
    assert [row.state for row in results.rows] == ["done"] * 8
    for row, cell in results.done():
        stored = read_results(
            folder / "exp" / str(row.folder) / "model" / "evaluation" / "results.json"
        )
        assert cell.sdri == stored.bank["sdr_improvement"]
        assert cell.oracle_sdri == stored.oracle["sdr_improvement"]
        assert cell.leak == stored.leak
        assert sum(map(len, cell.class_sdri.values())) == len(stored.pairs) == 8
        assert (cell.parameters, cell.steps) == (stored.parameter_count, 4)
        assert cell.trained_parameters < cell.parameters
        assert min(cell.giga_macs_per_second, cell.real_time_factor) > 0
        assert min(cell.training_step_seconds, cell.training_seconds) > 0
        assert cell.peak_memory_bytes > 100e6
        assert [point.step for point in cell.curve if point.validation_loss is not None] == [2, 4]
    deep = {row.labels["separator"]: cell.separator_parameters for row, cell in results.done()}
    assert deep["deep"] > deep["resunet_small"]


def test_all_cells_are_judged_by_the_same_mixtures(folder: Path, results: GridResults) -> None:
    assert len({cell.mixtures for _, cell in results.done()}) == 1
    played = {
        (folder / "exp" / str(row.folder) / "mixture.wav").read_bytes() for row in results.rows
    }
    assert len(played) == 1


def test_shared_stages_ran_once(folder: Path, results: GridResults) -> None:
    assert [outcome.kind for outcome in results.stages] == ["tagger"] * 2 + ["anchors"] * 2 + [
        "mixtures"
    ]
    shared = folder / "exp" / "shared"
    assert len(list(shared.glob("taggers/*/weights.safetensors"))) == 2
    assert len(list(shared.glob("anchors/*/train.npz"))) == 2


def test_a_cell_is_what_training_its_recipe_gives(
    folder: Path, results: GridResults, tmp_path: Path
) -> None:
    cell = folder / "exp" / str(results.rows[3].folder)
    recipe = load_recipe(cell / "recipe.yaml")
    experiment = GridExperiment(recipe, tmp_path, folder / "exp" / "shared", Devices("cpu"))
    train_separator(experiment)
    ours, theirs = (load_file(one / "model" / "weights.safetensors") for one in (cell, tmp_path))
    assert ours.keys() == theirs.keys()
    assert all(bool((ours[key] == theirs[key]).all()) for key in ours)


def test_what_is_finished_never_runs_again(run_cli: RunCli, folder: Path) -> None:
    files = [
        path
        for path in (folder / "exp").rglob("*")
        if "cells" in path.parts or "shared" in path.parts
    ]
    before = {path: path.stat().st_mtime_ns for path in files}
    again = run_cli(
        "benchmark",
        folder / "grid.yaml",
        "--exp-dir",
        folder / "exp",
        "--device",
        "cpu",
        "--json",
        env=ALONE,
    )
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in files} == before
    assert len(json.loads(again.stdout)["rows"]) == 8
    assert " to go" not in again.stderr


def test_a_killed_grid_goes_on_where_it_was(run_cli: RunCli, folder: Path, tmp_path: Path) -> None:
    budget = {"steps": 240, "validations": 60}
    grid = write_grid(tmp_path, budget=budget, query_nets=[], embeddings=["soft"])
    exp = beginning(folder, tmp_path)
    checkpoints = "cells/*deep*/checkpoints/last.ckpt"
    process = started(grid, exp)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not list(exp.glob(checkpoints)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()
    (first,) = exp.glob("cells/*/outcome.json")
    (interrupted,) = exp.glob(checkpoints)
    time.sleep(1.0)  # the cell's own process has noticed
    seen = interrupted.stat().st_mtime_ns
    finished = first.stat().st_mtime_ns
    done = run_cli("benchmark", grid, "--exp-dir", exp, "--device", "cpu", env=ALONE)
    assert done.returncode == 0, done.stderr
    assert seen  # it was there; a finished cell keeps no checkpoints
    assert not interrupted.exists()
    assert first.stat().st_mtime_ns == finished
    unbroken = tmp_path / "unbroken"
    (deep,) = [
        cell for cell in plan_grid(load_grid(grid)).cells if cell.labels["separator"] == "deep"
    ]
    train_separator(GridExperiment(deep.recipe, unbroken, exp / "shared", Devices("cpu")))
    cell = interrupted.parents[1]
    ours, theirs = (load_file(one / "model" / "weights.safetensors") for one in (cell, unbroken))
    assert all(bool((ours[key] == theirs[key]).all()) for key in theirs)
    curve = read_grid_results(exp).rows[1].figures.curve  # type: ignore[union-attr]
    assert [point.step for point in curve if point.validation_loss is not None] == list(
        range(4, 241, 4)
    )


def test_a_failing_cell_is_a_row_with_its_error(
    run_cli: RunCli, folder: Path, tmp_path: Path
) -> None:
    plugins = {"broken": "broken_separators"}
    modules = {"broken_separators.py": BROKEN}
    site = install(tmp_path / "installed", Distribution("broken", "0.1", modules, plugins))
    separators = ["deadly", "raising", "resunet_small"]
    small = {"stage_channels": [4, 4], "window_size": 256, "hop_size": 128}
    grid = write_grid(
        tmp_path,
        budget={"seconds": 1.0, "validations": 2},
        query_nets=[],
        embeddings=["soft"],
        separators=[{"name": name, **small} for name in separators],
    )
    exp = beginning(folder, tmp_path)
    environment = {**ALONE, "PYTHONPATH": str(site)}
    options = ("--exp-dir", exp, "--device", "cpu")
    done = run_cli("benchmark", grid, *options, env=environment)
    assert done.returncode == 1, done.stderr
    deadly, raising, good = read_grid_results(exp).rows
    assert deadly.reason == "its process was ended by SIGKILL (out of memory?)"
    assert raising.reason == "RuntimeError: nothing works"
    assert "Traceback" in (exp / str(raising.folder) / "log.txt").read_text()
    assert (deadly.state, raising.state, good.state) == ("failed", "failed", "done")
    assert good.figures is not None
    trial = json.loads((exp / str(good.folder) / "trial.json").read_text())
    assert (
        good.figures.steps
        == trial["steps"]
        == load_recipe(exp / str(good.folder) / "recipe.yaml").training.steps
    )
    assert trial["steps"] % 2 == 0
    times = {path: path.stat().st_mtime_ns for path in exp.glob("cells/*/outcome.json")}
    again = run_cli("benchmark", grid, *options, "--retry-failed", env=environment)
    assert again.returncode == 1
    changed = {path.parent.name for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert changed == {Path(str(row.folder)).name for row in (deadly, raising)}


def test_two_launched_processes_deal_the_cells_out(folder: Path, tmp_path: Path) -> None:
    grid = write_grid(tmp_path, query_nets=[], embeddings=["soft"])
    exp = beginning(folder, tmp_path)
    launched = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    processes = [
        started(grid, exp, RANK=str(rank), LOCAL_RANK=str(rank), **launched) for rank in range(2)
    ]
    said = [process.communicate(timeout=PATIENCE_SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    results = read_grid_results(exp)
    assert [row.state for row in results.rows] == ["done", "done"]
    assert results.processes == 2
    for (_, errors), other in zip(said, ("deep", "resunet_small"), strict=True):
        assert not [
            line for line in errors.splitlines() if " of 7: " in line and f" {other}: " in line
        ]
        assert [line for line in errors.splitlines() if " s to go" in line]
    assert (said[0][0].startswith("# grid.yaml"), said[1][0]) == (True, "")


def test_a_second_run_in_the_same_folder_is_refused(
    run_cli: RunCli, folder: Path, tmp_path: Path
) -> None:
    import fcntl

    exp = beginning(folder, tmp_path)
    with (exp / ".lock.0").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = run_cli("benchmark", write_grid(tmp_path), "--exp-dir", exp, env=ALONE)
    assert done.returncode == 2
    assert "another benchmark is at work here" in done.stderr.splitlines()[-1]


def test_a_dry_run_names_cells_and_what_is_impossible(run_cli: RunCli, tmp_path: Path) -> None:
    misfit = {"name": "resunet_small", "label": "misfit", "window_size": 250}
    grid = write_grid(
        tmp_path, query_nets=[], embeddings=["soft"], separators=["resunet_small", misfit]
    )
    done = run_cli("benchmark", grid, "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1] == "cell: cnn_small · soft · resunet_small"
    assert done.stdout.splitlines()[2].startswith(
        "impossible: cnn_small · soft · misfit: resunet: half of"
    )
    assert not (tmp_path / "exp").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a GRID.yaml to run, or --compare A B"),
        (("grid.yaml",), "grid.yaml: cannot read the recipe: No such file"),
        (("grid.yaml", "--compare", "a", "b"), "takes two runs and no GRID.yaml"),
    ],
)
def test_wrong_calls_are_told_in_one_line(
    run_cli: RunCli, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run_cli("benchmark", *arguments, env={"PWD": str(tmp_path)})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


def test_ctrl_c_writes_what_there_is(folder: Path, tmp_path: Path) -> None:
    grid = write_grid(
        tmp_path, budget={"steps": 4000, "validations": 4}, query_nets=[], embeddings=["soft"]
    )
    exp = beginning(folder, tmp_path)
    process = started(grid, exp)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not list(exp.glob("cells/*/trial.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert [row.state for row in read_grid_results(exp).rows] == ["not run"] * 2
