"""Checkpoints that survive what happens to them: a process killed while writing, a folder moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from uss_plugins.files import written_aside


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it.

    Lightning's own way goes through the system's temporary folder, from where another file system is reached
    by copying: a kill then leaves half a checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write `checkpoint`, whole or not at all."""
        with written_aside(Path(path)) as aside:
            torch.save(checkpoint, aside)


class MovableCheckpoint(ModelCheckpoint):
    """A checkpoint callback that finds its best one again where the experiment's folder is now."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, but not after resuming: Lightning then ends the finished epoch again, without its metrics."""
        if trainer.callback_metrics:
            super().on_train_epoch_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state, its paths moved into the present folder."""
        state = dict(state_dict, dirpath=self.dirpath)
        for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
            state[name] = self._here(state[name])
        state["best_k_models"] = {
            self._here(path): score for path, score in state["best_k_models"].items()
        }
        super().load_state_dict(state)

    def _here(self, path: str) -> str:
        return str(Path(self.dirpath or "", Path(path).name)) if path else ""
