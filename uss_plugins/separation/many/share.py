"""Which part of the work is this process's, where several were launched: by torchrun, SLURM and the like.

How that is found out is Lightning's, as in training.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from registry.errors import UserError
from uss_plugins.ecosystems import import_lightning_environments

Item = TypeVar("Item")
LAUNCHERS = {
    "TORCHELASTIC_": "TorchElasticEnvironment",
    "SLURM_": "SLURMEnvironment",
    "LSB_": "LSFEnvironment",
}
"""Beginnings of the variables that a launcher sets -> Lightning's class for it."""


@dataclass(frozen=True)
class Share:
    """One of `size` processes that do the same work: number `rank`, on its machine `local_rank`."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Every `size`-th item, so that all are somebody's and none is two's."""
        return list(items[self.rank :: self.size])


def find_share() -> Share:
    """All of the work, unless a launcher says otherwise.

    Raises:
        UserError: Lightning does not accept how SLURM was asked.
    """
    for beginning, name in LAUNCHERS.items():
        if not any(variable.startswith(beginning) for variable in os.environ):
            continue
        kind = getattr(import_lightning_environments(), name)
        if kind.detect():
            try:
                environment = kind()
            except RuntimeError as error:
                raise UserError(f"{' '.join(str(error).split())}") from None
            return Share(
                int(environment.global_rank()),
                int(environment.world_size()),
                int(environment.local_rank()),
            )
    return Share()


def device_for(device: str, worker: int, share: Share) -> str:
    """Which GPU "cuda" is for one of several processes: a launcher's, or else the workers', in turn."""
    if device != "cuda":
        return device
    import torch

    number = share.local_rank if share.size > 1 else worker
    return f"cuda:{number % max(1, torch.cuda.device_count())}"
