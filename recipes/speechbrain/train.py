"""Trains a query-by-example separator with SpeechBrain's Brain, and leaves a model folder of uss_plugins.

    python recipes/speechbrain/train.py recipes/speechbrain/hparams.yaml [--lr=0.002 ...]

A mixture is two segments of the corpus; the query is another segment of the target's class. The model folder
is what `uss-plugins separate x.wav --model exp/speechbrain/model --query like_this.wav` wants.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hyperpyyaml import load_hyperpyyaml
from torch import Tensor

from uss_plugins.bridges.hyperpyyaml import save
from uss_plugins.corpora.mining import mine_anchors
from uss_plugins.corpora.mixing import Mixture, allowed_interferers, mix
from uss_plugins.ecosystems import import_speechbrain
from uss_plugins.evaluation.metrics import sdr_improvement
from uss_plugins.training.bank import query_bank
from uss_plugins.training.batches import (
    FixedSampler,
    SegmentBatch,
    SegmentBatches,
    StepSampler,
    loader,
)

# Guarded, so that it works beside a PyTorch without CUDA, too; afterwards `import speechbrain` does.
sb = import_speechbrain()
core = import_speechbrain("speechbrain.core")


class Separation(core.Brain):  # type: ignore[misc]
    """A target from a mixture, by another segment of its class."""

    def compute_forward(self, batch: SegmentBatch, stage: Any) -> tuple[Mixture, Tensor]:
        """The mixtures of a batch, and the estimates (batch, channels, samples) of their targets."""
        segments, labels = batch.segments.to(self.device), batch.labels.to(self.device)
        allowed = allowed_interferers(batch.class_index.to(self.device), labels)
        mixture = mix(segments, allowed=allowed)
        condition = self.modules.model.condition_from_audio(batch.others.to(self.device))
        return mixture, self.modules.model(mixture.mixture.unsqueeze(1), condition)

    def compute_objectives(
        self, predictions: tuple[Mixture, Tensor], batch: SegmentBatch, stage: Any
    ) -> Tensor:
        """The loss; in validation the improvement is noted, too."""
        mixture, estimate = predictions
        if stage != sb.Stage.TRAIN:
            self.improvements += sdr_improvement(
                estimate[:, 0], mixture.targets, mixture.mixture
            ).tolist()
        return self.hparams.loss(estimate, mixture.targets.unsqueeze(1))

    def on_stage_start(self, stage: Any, epoch: int | None = None) -> None:
        """Forget the improvements of the validation before."""
        self.improvements: list[float] = []

    def on_stage_end(self, stage: Any, stage_loss: float, epoch: int | None = None) -> None:
        """Report a validation, and keep the epoch if it is the best."""
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
            return
        sdri = sum(self.improvements) / len(self.improvements)
        print(
            f"epoch {epoch}: loss {self.train_loss:.3f}, valid {stage_loss:.3f}, SDRi {sdri:.2f} dB"
        )
        self.checkpointer.save_and_keep_only(meta={"sdri": sdri}, max_keys=["sdri"])


def main() -> None:
    """Train by the hyper-parameters that the command line names."""
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    with Path(hparams_file).open(encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    sb.create_experiment_directory(
        hparams["output_folder"], hparams_file, overrides, save_env_desc=False
    )
    anchors, batches = {}, {}
    for number, split in enumerate(("train", "valid")):
        corpus = hparams[f"{split}_corpus"]
        anchors[split] = mine_anchors(
            corpus,
            None,
            method="random",
            segment_seconds=hparams["segment_seconds"],
            seed=hparams["seed"],
        )
        batches[split] = SegmentBatches(
            corpus,
            anchors[split],
            hparams["batch_size"],
            hparams["seed"] + number,
            with_others=True,
        )
    brain = Separation(
        hparams["modules"], hparams["opt_class"], hparams, run_opts, hparams["checkpointer"]
    )
    steps = StepSampler(hparams["steps_per_epoch"], lambda: brain.optimizer_step)
    brain.fit(
        hparams["epoch_counter"],
        loader(batches["train"], steps, workers=0),
        loader(batches["valid"], FixedSampler(hparams["valid_batches"]), workers=0),
        progressbar=False,
    )
    hparams["checkpointer"].recover_if_possible(max_key="sdri")
    model, corpus = hparams["model"], hparams["train_corpus"]
    model.query_bank.copy_(query_bank(model, corpus, anchors["train"]))
    save(model, hparams["model_folder"], corpus=corpus, steps=brain.optimizer_step)
    print(f"model: {hparams['model_folder']}")


if __name__ == "__main__":
    main()
