"""Runs a system under a Lightning Trainer: checkpoints, logs, precision, resuming."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import (
    Callback,
    LearningRateMonitor,
    WeightAveraging,
)
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from registry.errors import UserError
from uss_plugins.files import remove_leftovers
from uss_plugins.recipe import FitSection
from uss_plugins.training.checkpoints import (
    MovableCheckpoint,
    WholeCheckpointIO,
)
from uss_plugins.training.devices import Devices
from uss_plugins.training.memory import keep_freed_memory
from uss_plugins.training.progress import TrainingProgress

CHECKPOINTS, LAST, BEST = "checkpoints", "last", "best"


@dataclass(frozen=True)
class FitResult:
    """What a training came to.

    seconds: of training steps and validation, over all interruptions.
    best: the checkpoint with the best validation, whose weights are the result.
    in_first_process: whether this is the one, of processes that trained together, that goes on alone.
    """

    seconds: float
    best: Path
    best_score: float
    in_first_process: bool


def fit(
    system: lightning.LightningModule,
    train_loader: DataLoader[object],
    validation_loader: DataLoader[object],
    section: FitSection,
    folder: Path,
    *,
    description: str,
    monitor: str,
    shown: dict[str, str],
    ema_decay: float | None = None,
    devices: Devices | None = None,
    resume: bool = False,
) -> FitResult:
    """Train `system` for the section's steps, and leave its best weights in it.

    folder: gets `checkpoints/last.ckpt` and `best.ckpt`, written at each validation, and `logs/`.
    monitor: the validation metric that decides which checkpoint is best; larger is better.
    resume: continue from `last.ckpt` if there is one. The weights come out as without the interruption.

    Raises:
        UserError: the folder holds a training already, and `resume` was not asked for.
    """
    keep_freed_memory()
    # 2-d convolutions run fastest on this layout; the values stay.
    system.to(memory_format=torch.channels_last)
    devices = devices or Devices()
    last = last_checkpoint(folder)
    if last.exists() and not resume:
        raise UserError(
            f"{folder}: holds an unfinished training; add --resume, or choose another folder"
        )
    # One training writes here; if it is continued on another machine, the first has been lost.
    remove_leftovers(folder / CHECKPOINTS, of_all_machines=True)
    progress = TrainingProgress(description, section.steps, shown)
    best = MovableCheckpoint(
        folder / CHECKPOINTS, BEST, monitor=monitor, mode="max", enable_version_counter=False
    )
    callbacks: list[Callback] = [
        progress,
        best,
        MovableCheckpoint(folder / CHECKPOINTS, LAST, enable_version_counter=False),
        LearningRateMonitor("step"),
    ]
    if ema_decay is not None:
        callbacks.insert(0, MovingAverage(ema_decay))
    with quiet_lightning():
        trainer = lightning.Trainer(
            accelerator=devices.accelerator,
            devices=devices.of_machine,
            num_nodes=devices.num_nodes,
            precision="bf16-mixed" if section.precision == "bf16" else "32-true",
            max_steps=section.steps,
            max_epochs=-1,
            gradient_clip_val=section.gradient_clip,
            callbacks=callbacks,
            plugins=[WholeCheckpointIO()],
            logger=[TensorBoardLogger(folder, "logs"), CSVLogger(folder, "logs/csv")],
            log_every_n_steps=min(10, section.validate_every),
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        with exit_as_interrupt(trainer):
            trainer.fit(
                system,
                train_loader,
                validation_loader,
                ckpt_path=last if last.exists() else None,
                weights_only=False,
            )
    take_weights(system, Path(best.best_model_path))
    score = best.best_model_score
    return FitResult(
        progress.seconds,
        Path(best.best_model_path),
        float(score) if score is not None else float("nan"),
        trainer.is_global_zero,
    )


@contextmanager
def exit_as_interrupt(trainer: lightning.Trainer) -> Iterator[None]:
    """Lightning answers Ctrl-C by exiting; let it go up as what it is."""
    try:
        yield
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise


def last_checkpoint(folder: Path) -> Path:
    """Where a training that runs in `folder` can be resumed."""
    return folder / CHECKPOINTS / f"{LAST}.ckpt"


class MovingAverage(WeightAveraging):
    """The exponential moving average of weights and statistics, taken after every step.

    By interpolation, which leaves alone what does not move. Lightning's own `EMAWeightAveraging` adds two
    products, whose rounding pulls a frozen net and the constants of a front end away from their values.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Follow the module to its device: the average was made before Lightning moved that there."""
        assert self._average_model is not None
        self._average_model.module.to(pl_module.device)


def take_weights(system: lightning.LightningModule, checkpoint: Path) -> None:
    """Fill a system with a checkpoint's weights (the averaged ones, where there is an average)."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"]
    system.load_state_dict(state)


class quiet_lightning(warnings.catch_warnings):  # noqa: N801  # used as a context manager
    """Silences what Lightning says of things that are meant to be so here."""

    def __enter__(self) -> None:
        super().__enter__()
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        for message in (
            ".*does not have many workers.*",
            ".*GPU available but not used.*",
            ".*Checkpoint directory .* exists and is not empty.*",
            ".*The number of training batches.*",
            ".*Experiment logs directory.*",
            ".*Found .* module.*in eval mode.*",
            ".*LeafSpec.*is deprecated.*",
            ".*isinstance.treespec, LeafSpec.*",
            ".*lr_scheduler.step.*",
            ".*resume.*",
        ):
            warnings.filterwarnings("ignore", message)
