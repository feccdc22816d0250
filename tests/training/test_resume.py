"""A training that is killed and resumed ends in the weights of an unbroken one, bit for bit."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training.tiny_recipe import TREE, write_tiny_recipe

from registry.errors import UserError
from uss_plugins.cli.recipe_options import open_experiment
from uss_plugins.training.stages.separator import train_separator
from uss_plugins.training.stages.tagger import train_tagger

SCRIPT = Path(sys.executable).with_name("uss-plugins")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
PATIENCE_SECONDS = 120.0

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Runs:
    """One experiment without interruption, one killed in each stage; and what the processes said."""

    recipe: Path
    unbroken: Path
    killed: Path
    first: Done
    again: Done
    refused: Done
    last: Done


def command(recipe: Path, folder: Path, *options: str) -> list[str | Path]:
    return [SCRIPT, "train", recipe, "--exp-dir", folder, "--device", "cpu", *options]


def run(recipe: Path, folder: Path, *options: str) -> Done:
    return subprocess.run(
        command(recipe, folder, *options),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def kill_between_checkpoints(checkpoint: Path, *arguments: str | Path) -> None:
    """Start a training and kill it half-way between its second checkpoint and its third."""
    with subprocess.Popen(
        arguments, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        written: dict[int, float] = {}
        while len(written) < 2:
            assert process.poll() is None, "the training ended before it could be killed"
            assert time.monotonic() < deadline, f"{checkpoint} was not written in time"
            if checkpoint.exists():
                written.setdefault(checkpoint.stat().st_mtime_ns, time.monotonic())
            time.sleep(0.002)
        first, second = written.values()
        time.sleep((second - first) / 2)
        process.kill()
        assert process.wait() == -9


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("resume")
    recipe, unbroken, killed = write_tiny_recipe(folder), folder / "unbroken", folder / "killed"
    first, again = run(recipe, unbroken), run(recipe, unbroken)
    assert first.returncode == 0, first.stderr
    tagger = killed / "tagger" / "checkpoints" / "last.ckpt"
    kill_between_checkpoints(tagger, *command(recipe, killed))
    assert 0 < steps_done(tagger) < TREE["tagger"]["steps"]
    refused = run(recipe, killed)
    separator = killed / "checkpoints" / "last.ckpt"
    kill_between_checkpoints(separator, *command(recipe, killed, "--resume"))
    assert 0 < steps_done(separator) < TREE["training"]["steps"]
    assert not (killed / "model").exists()
    last = run(recipe, killed, "--resume")
    assert last.returncode == 0, last.stderr
    return Runs(recipe, unbroken, killed, first, again, refused, last)


def steps_done(checkpoint: Path) -> int:
    done: int = torch.load(checkpoint, weights_only=False)["global_step"]
    return done


def assert_same_weights(one: Path, other: Path) -> None:
    left, right = load_file(one), load_file(other)
    assert left.keys() == right.keys()
    for key, value in left.items():
        assert value.numpy().tobytes() == right[key].numpy().tobytes(), key


def figures(path: Path) -> dict[str, Any]:
    """What a stage reports, without its times."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {key: value for key, value in stored.items() if "seconds" not in key}


@pytest.mark.parametrize("part", ["tagger", "model"])
def test_weights_are_those_of_an_unbroken_training(runs: Runs, part: str) -> None:
    weights = Path(part) / "weights.safetensors"
    assert_same_weights(runs.unbroken / weights, runs.killed / weights)


@pytest.mark.parametrize("report", ["training.json", "tagger/tagger.json", "anchors/anchors.json"])
def test_figures_are_those_of_an_unbroken_training(runs: Runs, report: str) -> None:
    assert figures(runs.killed / report) == figures(runs.unbroken / report)


def test_an_unfinished_training_is_not_continued_unasked(runs: Runs) -> None:
    assert runs.refused.returncode == 2
    assert runs.refused.stdout == ""
    assert runs.refused.stderr.splitlines() == [
        f"error: {runs.killed / 'tagger'}: holds an unfinished training;"
        " add --resume, or choose another folder"
    ]


def test_a_finished_training_says_its_figures_again_and_does_nothing(runs: Runs) -> None:
    assert runs.again.returncode == 0
    assert runs.again.stdout == runs.first.stdout
    assert re.fullmatch(
        r"separator: validation SDRi -?\d+\.\d\d dB, 80 steps in \d+ s, .*/unbroken/model\n",
        runs.first.stdout,
    )
    assert runs.again.stderr == ""


def test_another_recipe_does_not_get_a_finished_trainings_figures(runs: Runs) -> None:
    changed = open_experiment(
        runs.recipe, runs.unbroken, None, ("training.steps=85",), True, "cpu", 1
    )
    with pytest.raises(UserError, match=r"training.steps was 80, is 85\); give another folder"):
        train_separator(changed)
    # What the tagger does not depend on may differ: so do experiments that share it.
    assert train_tagger(changed)["steps"] == TREE["tagger"]["steps"]


def test_ctrl_c_is_an_interruption_not_an_error(runs: Runs, tmp_path: Path) -> None:
    arguments = command(runs.recipe, tmp_path / "exp")
    with subprocess.Popen(
        arguments, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        checkpoint = tmp_path / "exp" / "tagger" / "checkpoints" / "last.ckpt"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not checkpoint.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        told, said = process.communicate()
    assert (process.returncode, told) == (130, "")
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said


def test_standard_error_holds_nothing_but_progress(runs: Runs) -> None:
    progress = (
        r"(tagger|separator): step \d+ of \d+, loss .*|(tagger|separator|mining \w+ anchors) +━.*"
    )
    for line in (runs.first.stderr + runs.last.stderr).splitlines():
        assert re.fullmatch(progress, line.rstrip()), line


def test_nothing_half_written_is_left(runs: Runs) -> None:
    for folder in (runs.unbroken, runs.killed):
        assert [path for path in folder.rglob("*") if path.name.endswith(".part")] == []


def test_a_moved_experiment_whose_model_is_missing_is_finished_without_a_step(
    runs: Runs, tmp_path: Path
) -> None:
    """As after a kill between the last step and the model folder."""
    moved = tmp_path / "moved"
    runs.unbroken.rename(moved)
    try:
        checkpoints = {path: path.read_bytes() for path in (moved / "checkpoints").iterdir()}
        (moved / "model").rename(tmp_path / "model")
        train_separator(open_experiment(runs.recipe, moved, None, (), True, "cpu", 1))
        assert {path: path.read_bytes() for path in checkpoints} == checkpoints
        weights = "model/weights.safetensors"
        assert_same_weights(moved / weights, tmp_path / weights)
    finally:
        moved.rename(runs.unbroken)
