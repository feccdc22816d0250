"""Which of several processes this one is, where torchrun, SLURM, LSF or MPI launched them together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from uss_plugins.ecosystems import import_lightning_environments

Item = TypeVar("Item")

LEFT_TO_LIGHTNING = ("LSB_", "OMPI_", "PMI")
"""Beginnings of the variables of jsrun and mpirun, which Lightning reads."""


@dataclass(frozen=True)
class Place:
    """This process among those that were launched together: number `rank` of `world_size`.

    local_rank: its number on its machine.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    def share_of(self, items: Sequence[Item]) -> list[Item]:
        """Every `world_size`-th item, so that all are some process's and none is two's."""
        return list(items[self.rank :: self.world_size])


def launched_place() -> Place:
    """The place that torchrun, srun, jsrun or mpirun gave this process; alone if none launched it.

    They are asked in Lightning's order: torchrun first, for srun may have started it, once on each machine.
    SLURM itself is not left to Lightning, which takes a batch script that asked for tasks, but runs without
    srun, for the first of them, and would have it wait for the others for ever. Only srun sets the step's
    number of tasks.
    """
    told = os.environ
    if "TORCHELASTIC_RUN_ID" in told:
        return Place(int(told["RANK"]), int(told["WORLD_SIZE"]), int(told["LOCAL_RANK"]))
    if "SLURM_STEP_NUM_TASKS" in told:
        rank, local_rank = int(told["SLURM_PROCID"]), int(told["SLURM_LOCALID"])
        return Place(rank, int(told["SLURM_STEP_NUM_TASKS"]), local_rank)
    if any(name.startswith(LEFT_TO_LIGHTNING) for name in told):
        environments = import_lightning_environments()
        for kind in (environments.LSFEnvironment, environments.MPIEnvironment):
            if kind.detect():
                found = kind()
                return Place(found.global_rank(), found.world_size(), found.local_rank())
    return Place()
