"""A grid is run: cells and what they share, interruption, failure, several processes.

Most runs begin in this process, whose server of new processes is warm after the first; the first kill and the
dry run are the real command's.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
import torch
from benchmarking.small_grid import write_grid
from command_line import RunCli
from distributions import Distribution, install
from safetensors.torch import load_file

from registry.errors import UserError
from uss_plugins.benchmarking.grid import load_grid
from uss_plugins.benchmarking.launch import Slots
from uss_plugins.benchmarking.plan import Plan, plan_grid
from uss_plugins.benchmarking.results import GridResults, Outcome, read_grid_results
from uss_plugins.benchmarking.run import Listener, run_grid
from uss_plugins.benchmarking.work import GridExperiment, Work
from uss_plugins.evaluation.results import read_results
from uss_plugins.recipe import load_recipe
from uss_plugins.training.devices import Devices
from uss_plugins.training.stages.separator import train_separator

PATIENCE_SECONDS = 900.0
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

DEAF = """
from registry import hookimpl
from uss_plugins.query_nets.panns import cnn_small


def deaf(class_names, sample_rate: int = 8000):
    sizes = {"channels": [4, 4], "high_frequency": 4000.0}
    net = cnn_small(class_names=class_names, sample_rate=sample_rate, **sizes)
    net.register_forward_pre_hook(lambda *_: 1 / 0)
    return net


@hookimpl
def register_query_nets(register):
    register("deaf", "deaf_nets:deaf", summary="raises")
"""


def run(
    grid: Path,
    folder: Path,
    *,
    jobs: int = 1,
    retry_failed: bool = False,
    listener: Listener | None = None,
) -> GridResults:
    """Run a grid from this process."""
    results = run_grid(
        load_grid(grid),
        folder,
        slots=Slots(jobs, "cpu"),
        retry_failed=retry_failed,
        listener=listener,
    )
    assert results is not None
    return results


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread here and in the cells: sums then have one order, and weights can be compared bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Slots, "threads", 1)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished grid, two choices on each axis."""
    folder = tmp_path_factory.mktemp("grid")
    run(write_grid(folder), folder / "exp", jobs=2)
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
        soundfile.read(folder / "exp" / str(row.folder) / "mixture.wav")[0].tobytes()
        for row in results.rows
    }  # the samples: libsndfile writes the time of day beside those of floats
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


def test_what_is_finished_never_runs_again(folder: Path) -> None:
    files = [*(folder / "exp" / "cells").rglob("*"), *(folder / "exp" / "shared").rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in files}
    ended: list[str] = []
    listener = Listener(ended=lambda work, outcome, done, total: ended.append(work.name))
    results = run(folder / "grid.yaml", folder / "exp", listener=listener)
    assert [row.state for row in results.rows] == ["done"] * 8
    assert ended == []
    assert {path: path.stat().st_mtime_ns for path in files} == before


def test_a_killed_grid_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    budget = {"steps": 240, "validations": 60}
    grid = write_grid(tmp_path, budget=budget, query_nets=[], embeddings=["soft"])
    exp = beginning(folder, tmp_path)
    checkpoints = "cells/*deep*/checkpoints/last.ckpt"
    script = Path(sys.executable).with_name("uss-plugins")
    with subprocess.Popen(
        [script, "benchmark", grid, "--exp-dir", exp, "--device", "cpu"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not list(exp.glob(checkpoints)):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    (first,) = exp.glob("cells/*/outcome.json")
    (interrupted,) = exp.glob(checkpoints)
    finished = first.stat().st_mtime_ns
    results = run(grid, exp)
    assert [row.state for row in results.rows] == ["done", "done"]
    assert first.stat().st_mtime_ns == finished
    assert not interrupted.exists()  # a finished cell keeps no checkpoints
    (deep,) = [
        cell for cell in plan_grid(load_grid(grid)).cells if cell.labels["separator"] == "deep"
    ]
    unbroken = tmp_path / "unbroken"
    train_separator(GridExperiment(deep.recipe, unbroken, exp / "shared", Devices("cpu")))
    cell = interrupted.parents[1]
    ours, theirs = (load_file(one / "model" / "weights.safetensors") for one in (cell, unbroken))
    assert all(bool((ours[key] == theirs[key]).all()) for key in theirs)
    figures = results.rows[1].figures
    assert figures is not None
    validated = [point.step for point in figures.curve if point.validation_loss is not None]
    assert validated == list(range(4, 241, 4))


def test_a_failing_cell_is_a_row_with_its_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = {"broken_separators.py": BROKEN}
    broken = Distribution("broken", "0.1", modules, {"broken": "broken_separators"})
    site = install(tmp_path / "installed", broken)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])  # which the cells' processes take over
    small = {"stage_channels": [4, 4], "window_size": 256, "hop_size": 128}
    grid = write_grid(
        tmp_path,
        budget={"seconds": 1.0, "validations": 2},
        query_nets=[],
        embeddings=["soft"],
        separators=[{"name": name, **small} for name in ("deadly", "raising", "resunet_small")],
    )
    exp = beginning(folder, tmp_path)
    deadly, raising, good = run(grid, exp).rows
    assert deadly.reason == "its process was ended by SIGKILL (out of memory?)"
    assert raising.reason == "RuntimeError: nothing works"
    assert "Traceback" in (exp / str(raising.folder) / "log.txt").read_text()
    assert (deadly.state, raising.state, good.state) == ("failed", "failed", "done")
    assert good.figures is not None
    trial = json.loads((exp / str(good.folder) / "trial.json").read_text())
    trained = load_recipe(exp / str(good.folder) / "recipe.yaml").training
    assert good.figures.steps == trial["steps"] == trained.steps
    assert trained.steps == 2 * trained.validate_every
    times = {path: path.stat().st_mtime_ns for path in exp.glob("cells/*/outcome.json")}
    run(grid, exp, retry_failed=True)
    again = {path.parent.name for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert again == {Path(str(row.folder)).name for row in (deadly, raising)}


def test_a_failing_shared_stage_costs_the_cells_that_need_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = Distribution("deaf-nets", "0.1", {"deaf_nets.py": DEAF}, {"deaf": "deaf_nets"})
    site = install(tmp_path / "installed", deaf)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    one = {"embeddings": ["soft"], "separators": ["resunet_small"]}
    grid = write_grid(tmp_path, query_nets=["cnn_small", "deaf"], **one)
    results = run(grid, beginning(folder, tmp_path))
    good, failed = results.rows
    assert (good.state, failed.state) == ("done", "failed")
    assert failed.reason is not None
    assert failed.reason.startswith("needs tagger of deaf: ZeroDivisionError")
    errors = {outcome.name: outcome.error for outcome in results.stages if outcome.error}
    assert list(errors) == ["tagger of deaf", "anchors of deaf"]


def launched(rank: int, grid: Path, folder: Path) -> None:
    """One of two processes, as torchrun starts them."""
    os.environ |= {"TORCHELASTIC_RUN_ID": "none", "RANK": str(rank), "LOCAL_RANK": str(rank)}
    os.environ |= {"WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    ended: list[str] = []
    listener = Listener(ended=lambda work, outcome, done, total: ended.append(work.name))
    results = run_grid(load_grid(grid), folder, slots=Slots(1, "cpu"), listener=listener)
    said = {"ended": ended, "results": results is not None}
    (folder / f"said.{rank}.json").write_text(json.dumps(said))


def test_two_launched_processes_deal_the_cells_out(folder: Path, tmp_path: Path) -> None:
    grid = write_grid(tmp_path, query_nets=[], embeddings=["soft"])
    exp = beginning(folder, tmp_path)
    context = multiprocessing.get_context("forkserver")
    processes = [context.Process(target=launched, args=(rank, grid, exp)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_SECONDS)
    assert [process.exitcode for process in processes] == [0, 0]
    said = [json.loads((exp / f"said.{rank}.json").read_text()) for rank in range(2)]
    assert said == [
        {"ended": ["cnn_small · soft · resunet_small"], "results": True},
        {"ended": ["cnn_small · soft · deep"], "results": False},
    ]
    results = read_grid_results(exp)
    assert [row.state for row in results.rows] == ["done", "done"]
    assert results.processes == 2


def test_an_interruption_ends_the_cells_and_writes_what_there_is(
    folder: Path, tmp_path: Path
) -> None:
    budget = {"steps": 4, "validations": 1}
    grid = write_grid(tmp_path, budget=budget, query_nets=[], embeddings=["soft"])
    exp = beginning(folder, tmp_path)

    def interrupt(work: Work, outcome: Outcome, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(grid, exp, listener=Listener(ended=interrupt))
    assert [row.state for row in read_grid_results(exp).rows] == ["done", "not run"]
    assert multiprocessing.active_children() == []


def test_a_second_run_in_the_same_folder_is_refused(folder: Path) -> None:
    import fcntl

    with (folder / "exp" / ".lock.0").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another benchmark is at work here"):
            run(folder / "grid.yaml", folder / "exp")


def test_the_plan_is_told_before_anything_is_written(tmp_path: Path) -> None:
    def stop(plan: Plan) -> None:
        assert len(plan.cells) == 8
        assert not (tmp_path / "exp").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(write_grid(tmp_path), tmp_path / "exp", listener=Listener(planned=stop))
    assert not (tmp_path / "exp").exists()


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
