"""What a person sees of a training: a bar with the time to go, and a line for each validation."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def make_progress() -> Progress:
    """A progress bar on standard error, so that standard output stays for results."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("to go"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


class TrainingProgress(Callback):
    """Shows the whole training, not one epoch of it, and adds up its seconds over interruptions.

    Args:
        description: what is trained.
        steps: steps of the whole training.
        shown: metrics of each validation line, name -> format.
    """

    def __init__(self, description: str, steps: int, shown: dict[str, str]) -> None:
        self.description = description
        self.steps = steps
        self.shown = shown
        self.seconds = 0.0
        self._last = 0.0
        self._bar: Progress | None = None

    def state_dict(self) -> dict[str, Any]:
        """The seconds that the training took so far."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue to count after an interruption."""
        self.seconds = state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        self._last = time.monotonic()
        if trainer.is_global_zero:
            self._bar = make_progress()
            self._bar.add_task(self.description, total=self.steps, completed=trainer.global_step)
            self._bar.start()

    def _count(self) -> None:
        now = time.monotonic()
        self.seconds, self._last = self.seconds + now - self._last, now

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance the bar."""
        self._count()
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=trainer.global_step)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One line of figures."""
        self._count()
        if self._bar and not trainer.sanity_checking:
            metrics = trainer.callback_metrics
            known = [
                text.format(metrics[name]) for name, text in self.shown.items() if name in metrics
            ]
            line = ", ".join([f"step {trainer.global_step} of {self.steps}", *known])
            self._bar.console.print(f"{self.description}: {line}", highlight=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away before the error is shown."""
        self.on_train_end(trainer, pl_module)
