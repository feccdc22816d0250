"""Which part of the work is a process's, as its launcher says it to Lightning."""

from __future__ import annotations

import os

import pytest

from registry.errors import UserError
from uss_plugins.separation.many.share import LAUNCHERS, Share, device_for, find_share

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "WORLD_SIZE": "8",
    "RANK": "5",
    "LOCAL_RANK": "1",
    "GROUP_RANK": "1",
}
SLURM = {
    "SLURM_NTASKS": "6",
    "SLURM_NTASKS_PER_NODE": "3",
    "SLURM_PROCID": "4",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_JOB_NAME": "separate",
}


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(tuple(LAUNCHERS))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variables", "share"),
    [
        ({}, Share()),
        (TORCHRUN, Share(5, 8, 1)),
        (SLURM, Share(4, 6, 1)),
        ({**SLURM, **TORCHRUN}, Share(5, 8, 1)),
        ({**SLURM, "SLURM_JOB_NAME": "interactive"}, Share()),
    ],
)
def test_a_launcher_says_who_one_is(
    variables: dict[str, str], share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert find_share() == share


def test_what_lightning_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE")
    with pytest.raises(UserError, match="--ntasks-per-node") as caught:
        find_share()
    assert len(str(caught.value).splitlines()) == 1


def test_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [device_for("cuda", worker, Share()) for worker in range(3)] == [
        "cuda:0",
        "cuda:1",
        "cuda:0",
    ]
    assert device_for("cuda", 0, Share(5, 8, 1)) == "cuda:1"
    assert device_for("cuda:0", 1, Share(5, 8, 1)) == "cuda:0"
    assert device_for("cpu", 1, Share(5, 8, 1)) == "cpu"
