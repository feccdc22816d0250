"""Where a training runs: devices, and the processes that share it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from registry.errors import UserError


@dataclass(frozen=True)
class Devices:
    """Where to train; Lightning's own words. `devices`: asked for, of this machine."""

    accelerator: str = "auto"
    devices: int = 1

    @property
    def of_machine(self) -> int:
        """How many devices of this machine train: as many as torchrun has started processes here."""
        return max(self.devices, int(os.environ.get("LOCAL_WORLD_SIZE") or 1))

    @property
    def num_nodes(self) -> int:
        """How many machines torchrun or SLURM started this on."""
        return max(1, launched_processes() // self.of_machine)

    @property
    def process_count(self) -> int:
        """How many processes train together, one for each device."""
        return max(self.devices, launched_processes())

    @property
    def on_cuda(self) -> bool:
        """Whether it is on a GPU that torch calls CUDA."""
        import torch

        return self.accelerator != "cpu" and torch.cuda.is_available()


def launched_processes() -> int:
    """How many processes torchrun or SLURM's srun started together with this one; 1 if neither did."""
    return int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_STEP_NUM_TASKS") or 1)


def check_one_process(what: str) -> None:
    """Refuse to do in many processes what one has to do.

    Raises:
        UserError: torchrun or srun started more than one.
    """
    if launched_processes() > 1:
        raise UserError(f"{what} is done by one process; run it without torchrun or srun")
