"""Where a grid's work runs: alone in its processes, on which devices, and no other run in the same folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from registry.errors import UserError
from uss_plugins.launched import Place

LAUNCH_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK")
LAUNCH_PREFIXES = (
    "GROUP_",
    "ROLE_",
    "MASTER_",
    "TORCHELASTIC_",
    "SLURM_",
    "LSB_",
    "JSM_",
    "OMPI_",
    "PMI",
)
"""What torchrun, srun, jsrun and mpirun tell a process of the others."""


@contextmanager
def each_alone() -> Iterator[None]:
    """Hide the launch from processes that are started meanwhile, so that each trains its own cell alone."""
    launched = {
        name: value
        for name, value in os.environ.items()
        if name in LAUNCH_VARIABLES or name.startswith(LAUNCH_PREFIXES)
    }
    for name in launched:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(launched)


@dataclass(frozen=True)
class Slots:
    """Where work runs: `jobs` pieces at the same time, dealt out over `devices` CUDA devices from the first.

    device: "auto", "cpu" or "cuda".
    """

    jobs: int = 1
    device: str = "auto"
    devices: int = 1

    def device_index(self, slot: int, place: Place) -> int | None:
        """The CUDA device of a slot; None where there is none to choose."""
        import torch

        count = 0 if self.device == "cpu" else torch.cuda.device_count()
        if not count:
            return None
        return (place.local_rank * self.devices + slot % self.devices) % count

    @property
    def threads(self) -> int | None:
        """Threads of each job, so that they share the cores; None leaves torch's default."""
        if self.jobs == 1 or "OMP_NUM_THREADS" in os.environ:
            return None
        from uss_plugins.training.experiment import jobs as cores

        return max(1, cores() // self.jobs)


@contextmanager
def only_run_in(folder: Path, place: Place) -> Iterator[None]:
    """Keep a second run of the same rank out of a grid's folder, where the system has file locks.

    Raises:
        UserError: another run is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".lock.{place.rank}").open("w") as file:
        if not lock(file):
            raise UserError(f"{folder}: another benchmark is at work here; wait for it, or end it")
        yield


def lock(file: IO[str]) -> bool:
    """Take the lock that ends with this process; False if another process has it."""
    with suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
