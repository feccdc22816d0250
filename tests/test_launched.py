"""Which of several processes this one is, by what their launcher sets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from uss_plugins.launched import Place, launched_place
from uss_plugins.training.devices import launched_processes

FAMILIES = ("TORCHELASTIC_", "SLURM_", "LSB_", "JSM_", "OMPI_", "PMI", "MASTER_")
TORCHRUN = {"TORCHELASTIC_RUN_ID": "a", "RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8"}
BATCH_SCRIPT = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "grid",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
}
SRUN = {**BATCH_SCRIPT, "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1"}
ONE_TASK = {**BATCH_SCRIPT, "SLURM_STEP_NUM_TASKS": "1"}


@pytest.fixture(autouse=True)
def _launched_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(FAMILIES) or name in TORCHRUN:
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, Place()),
        (TORCHRUN, Place(5, 8, 1)),
        (SRUN, Place(3, 4, 1)),
        ({**SRUN, "SLURM_JOB_NAME": "interactive"}, Place(3, 4, 1)),
        (BATCH_SCRIPT, Place()),
        (ONE_TASK, Place()),
        ({**BATCH_SCRIPT, **TORCHRUN}, Place(5, 8, 1)),
        ({**SRUN, **TORCHRUN}, Place(5, 8, 1)),
        ({"PMI_RANK": "0"}, Place()),
    ],
)
def test_launchers_tell_the_place(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], place: Place
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert launched_place() == place
    assert launched_processes() == place.world_size


def test_jsrun_is_read_by_lightning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"launcher\n{socket.gethostname()}\n")
    monkeypatch.setenv("MASTER_ADDR", "")  # Lightning sets it, and the test takes it away
    monkeypatch.setenv("MASTER_PORT", "12345")
    monkeypatch.setenv("LSB_JOBID", "7")
    monkeypatch.setenv("LSB_DJOB_RANKFILE", str(hosts))
    for name, value in {"SIZE": "8", "RANK": "5", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(f"JSM_NAMESPACE_{name}", value)
    assert launched_place() == Place(5, 8, 1)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shares_are_everything_once(size: int) -> None:
    shares = [Place(rank, size).share_of(range(7)) for rank in range(size)]
    assert sorted(item for share in shares for item in share) == list(range(7))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
