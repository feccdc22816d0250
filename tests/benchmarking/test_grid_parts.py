"""Cells among launched processes, devices, the trial's arithmetic, stored mixtures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from benchmarking.small_grid import write_grid
from evaluation.fakes import FakeCorpus
from training.tiny_recipe import tiny_tree

from registry.errors import UserError
from uss_plugins.benchmarking.cell import with_steps
from uss_plugins.benchmarking.grid import Budget, load_grid
from uss_plugins.benchmarking.launch import Slots, each_alone
from uss_plugins.benchmarking.mixtures import StoredMixtures, store_mixtures
from uss_plugins.benchmarking.run import run_grid
from uss_plugins.benchmarking.trial import steps_within
from uss_plugins.evaluation.protocol import HoldsPairs, evaluation_pairs, mix_pair
from uss_plugins.evaluation.section import EvaluationSection
from uss_plugins.launched import Place, launched_place
from uss_plugins.recipe import Recipe, ScheduleSection

TORCHRUN = {"TORCHELASTIC_RUN_ID": "a", "RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8"}
SRUN = {"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NTASKS": "8"}


@pytest.mark.parametrize("variables", [TORCHRUN, SRUN, {**SRUN, **TORCHRUN}])
def test_cells_do_not_hear_of_the_launch(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    place = launched_place()
    assert place == Place(rank=5, world_size=8, local_rank=1)
    with each_alone():
        assert launched_place() == Place()
        assert not set(variables) & set(os.environ)
    assert launched_place() == place


@pytest.mark.parametrize("variables", [TORCHRUN, SRUN])
def test_only_one_process_may_forget_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    grid = load_grid(write_grid(tmp_path))
    with pytest.raises(UserError, match="--retry-failed: this is one of 8 processes"):
        run_grid(grid, tmp_path / "exp", retry_failed=True)


def test_cells_are_dealt_out_over_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    slots = Slots(jobs=4, device="cuda", devices=2)
    assert [slots.device_index(slot, Place()) for slot in range(4)] == [0, 1, 0, 1]
    assert [slots.device_index(slot, Place(1, 2, 1)) for slot in range(4)] == [2, 3, 2, 3]
    assert Slots(device="cpu").device_index(0, Place()) is None


def test_jobs_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("uss_plugins.training.experiment.jobs", lambda: 8)
    assert [Slots(jobs=jobs).threads for jobs in (1, 2, 3, 16)] == [None, 4, 2, 1]


@pytest.mark.parametrize(
    ("step_seconds", "validation_seconds", "steps"),
    [(0.1, 0.5, 80), (0.1, 0.0, 100), (0.13, 0.5, 60), (3.0, 0.5, 4), (0.1, 9.0, 4)],
)
def test_seconds_buy_steps_that_validations_divide(
    step_seconds: float, validation_seconds: float, steps: int
) -> None:
    budget = Budget(seconds=10.0, validations=4)
    assert steps_within(budget, step_seconds, validation_seconds) == steps


def test_stored_mixtures_are_those_of_the_corpus(tmp_path: Path) -> None:
    corpus = FakeCorpus()
    section = EvaluationSection(pairs_per_class=3, absent_per_class=1, segment_seconds=0.25)
    pairs = evaluation_pairs(corpus, section)
    store_mixtures(corpus, pairs, 0.25, tmp_path)
    stored = StoredMixtures(corpus, pairs, tmp_path)
    assert isinstance(stored, HoldsPairs)
    for pair in pairs:
        for ours, theirs in zip(
            mix_pair(stored, pair, 0.25), mix_pair(corpus, pair, 0.25), strict=True
        ):
            assert np.array_equal(ours, theirs)
    with pytest.raises(UserError, match="holds other pairs"):
        StoredMixtures(corpus, pairs[1:], tmp_path)


def test_only_the_same_audio_has_the_same_digest(tmp_path: Path) -> None:
    def stored(name: str, seconds: float = 0.25, rate: int = 4000, louder: float = 1.0) -> str:
        corpus = FakeCorpus()
        corpus.sample_rate = rate
        heard = corpus.source
        corpus.source = lambda *where: louder * heard(*where)  # type: ignore[method-assign]
        pairs = evaluation_pairs(corpus, EvaluationSection(pairs_per_class=2, absent_per_class=1))
        store_mixtures(corpus, pairs, seconds, tmp_path / name)
        return StoredMixtures(corpus, pairs, tmp_path / name).digest

    first = stored("first")
    assert stored("again") == first
    others = {stored("short", seconds=0.2), stored("fast", rate=5000), stored("loud", louder=2.0)}
    assert len(others | {first}) == 4


@pytest.mark.parametrize(
    ("budget", "warm_up"),
    [
        (Budget(seconds=9.0, validations=2), 1),
        (Budget(seconds=9.0, validations=4), 1),
        (Budget(steps=12, validations=2), 5),
    ],
)
def test_a_warm_up_fits_the_steps_that_seconds_buy(budget: Budget, warm_up: int) -> None:
    recipe = Recipe.model_validate(tiny_tree())
    fitted = with_steps(recipe, 12, budget).training
    assert (fitted.steps, fitted.validate_every) == (12, 12 // budget.validations)
    assert fitted.schedule.parameters == {"warm_up_steps": warm_up}
    assert fitted.schedule.name == "cosine"
    assert with_steps(recipe, 120, budget).training.schedule == recipe.training.schedule
    without = recipe.training.model_copy(update={"schedule": ScheduleSection()})
    recipe = recipe.model_copy(update={"training": without})
    assert with_steps(recipe, 12, budget).training.schedule == ScheduleSection()
