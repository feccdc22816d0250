"""Places among launched processes, devices, the trial's arithmetic, stored mixtures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from evaluation.fakes import FakeCorpus

from registry.errors import UserError
from uss_plugins.benchmarking.grid import Budget
from uss_plugins.benchmarking.launch import Place, Slots, each_alone, launched_place
from uss_plugins.benchmarking.mixtures import StoredMixtures, store_mixtures
from uss_plugins.benchmarking.trial import steps_within
from uss_plugins.evaluation.protocol import HoldsPairs, evaluation_pairs, mix_pair
from uss_plugins.evaluation.section import EvaluationSection

TORCHRUN = {"TORCHELASTIC_RUN_ID": "a", "RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8"}
SLURM = {
    "SLURM_NTASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_JOB_NAME": "grid",
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS_PER_NODE": "4",
}


@pytest.mark.parametrize("variables", [TORCHRUN, SLURM])
def test_lightning_tells_the_place_and_cells_do_not_hear_of_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    place = launched_place()
    assert place == Place(rank=5, world_size=8, local_rank=1)
    assert [number for number in range(20) if place.mine(number)] == [5, 13]
    with each_alone():
        assert launched_place() == Place()
        assert not set(variables) & set(os.environ)
    assert launched_place() == place


def test_a_launch_that_lightning_refuses_is_the_users_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in SLURM.keys() - {"SLURM_NTASKS_PER_NODE"}:
        monkeypatch.setenv(name, SLURM[name])
    with pytest.raises(UserError, match="Use `--ntasks-per-node=8` instead"):
        launched_place()


def test_a_process_that_nobody_launched_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*TORCHRUN, *SLURM):
        monkeypatch.delenv(name, raising=False)
    assert launched_place() == Place(0, 1, 0)
    assert all(Place().mine(number) for number in range(5))


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
