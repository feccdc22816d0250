"""The two trainings as Asteroid systems: the tagger's and the separator's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from registry import UserError
from registry.contracts import QueryNet
from uss_plugins.corpora.mixing import Mixture, allowed_interferers, mix
from uss_plugins.ecosystems import import_asteroid
from uss_plugins.evaluation.metrics import sdr_improvement
from uss_plugins.recipe import FitSection, MixingSection, TrainingSection
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.training.average_precision import mean_average_precision
from uss_plugins.training.batches import ClipBatch, SegmentBatch
from uss_plugins.training.losses import Loss
from uss_plugins.training.schedules import make_schedule

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule as System
else:
    System = import_asteroid("asteroid.engine.system").System

SEED_STRIDE = 1_000_003


class StepSeededSystem(System):
    """An Asteroid system whose every step draws from its own seed, so that resuming repeats it exactly."""

    def __init__(self, model: nn.Module, loss: Loss, section: FitSection, seed: int) -> None:
        optimiser = make_optimiser(model, section)
        schedule = LambdaLR(optimiser, make_schedule(section))
        scheduler = {"scheduler": schedule, "interval": "step"}
        super().__init__(model, optimiser, loss, train_loader=None, scheduler=scheduler)
        self.seed = seed
        self.unreadable_count = 0

    counted: tuple[str, ...] = ("unreadable_count",)
    """Names of the counts that an interrupted training takes up again."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the counts with the weights."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["counts"] = {name: int(getattr(self, name)) for name in self.counted}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Count on from where the training was interrupted."""
        for name, count in checkpoint["counts"].items():
            setattr(self, name, count)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed this step's dropout and mixing, differently on every device."""
        step = self.global_step * self.trainer.world_size + self.global_rank
        torch.manual_seed(self.seed * SEED_STRIDE + step)
        self.unreadable_count += batch.unreadable

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by norm here: Lightning refuses to under bf16 with a fused optimiser, fearing a scaler."""
        if gradient_clip_val is not None:
            parameters = optimizer.param_groups[0]["params"]
            torch.nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    def on_validation_batch_start(
        self, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Every validation mixes alike."""
        torch.manual_seed(batch_idx)

    def training_step(self, batch: Any, batch_nb: int) -> Tensor:
        """The loss of a batch, logged as `loss`."""
        loss = cast(Tensor, self.common_step(batch, batch_nb, train=True))  # type: ignore[operator]
        self.log("loss", loss, prog_bar=True, batch_size=len(batch[0]))
        return loss

    def validation_step(self, batch: Any, batch_nb: int) -> None:
        """The loss of a batch, logged as `val_loss`."""
        loss = cast(Tensor, self.common_step(batch, batch_nb, train=False))  # type: ignore[operator]
        self.log("val_loss", loss, sync_dist=True, batch_size=len(batch[0]))


class TaggerSystem(StepSeededSystem):
    """Stage 1: weak labels of whole clips against the query net's clip probabilities.

    Binary cross-entropy. With a decision-level head the probabilities are maxima over frames, so the net
    learns to detect although it is never told when. Validation logs `val_map`, the mean average precision.
    """

    def __init__(self, query_net: nn.Module, section: FitSection, seed: int) -> None:
        super().__init__(query_net, binary_cross_entropy, section, seed)
        self.tagged: list[tuple[Tensor, Tensor]] = []

    def common_step(self, batch: ClipBatch, batch_nb: int, train: bool = True) -> Tensor:
        """Loss of a batch of clips."""
        probabilities = cast(QueryNet, self.model)(batch.audio).clip_probabilities
        assert probabilities is not None  # The stage refuses query nets without classes.
        if not train:
            self.tagged.append((probabilities.float().cpu(), batch.labels.cpu()))
        return binary_cross_entropy(probabilities, batch.labels)

    def on_validation_epoch_end(self) -> None:
        """Log the mean average precision over all validation clips."""
        probabilities, labels = (torch.cat(part) for part in zip(*self.tagged, strict=True))
        self.tagged.clear()
        precision = mean_average_precision(probabilities, labels.bool())
        self.log("val_map", precision, sync_dist=True, batch_size=len(labels))


class SeparationSystem(StepSeededSystem):
    """Stage 2: mixtures of anchors against the anchors, each steered by the condition of its clean target.

    The section's `condition_from` can take the condition from the mixture instead.

    Validation logs `val_sdri`, the mean SDR improvement in dB over all mixtures that hold an interferer.
    """

    counted = (*StepSeededSystem.counted, "missing_interferers")

    def __init__(
        self,
        model: UniversalSeparator,
        loss: Loss,
        section: TrainingSection,
        mixing: MixingSection,
        seed: int,
    ) -> None:
        super().__init__(model, loss, section, seed)
        self.mixing = mixing
        self.condition_from = section.condition_from
        # On a GPU it stays there until somebody asks, since each step would wait for the number.
        self.missing_interferers: int | Tensor = 0
        self.improvements: list[Tensor] = []

    @property
    def separator(self) -> UniversalSeparator:
        """The model by its type."""
        return cast(UniversalSeparator, self.model)

    def mixed(self, batch: SegmentBatch) -> Mixture:
        """The mixtures of a batch, by the recipe's `mixing`."""
        allowed = None
        if self.mixing.disjoint:
            allowed = allowed_interferers(
                batch.class_index,
                batch.labels,
                batch.probabilities,
                self.mixing.disjoint_threshold,
            )
        return mix(
            batch.segments,
            sources=self.mixing.sources,
            match_energy=self.mixing.match_energy,
            allowed=allowed,
            gain_range_db=self.mixing.gain_range_db,
        )

    def condition(self, mixture: Mixture, classes: Tensor, others: Tensor | None = None) -> Tensor:
        """Conditions (batch, condition_size) for the targets of a batch; `classes`: (batch, classes) one-hot.

        `others`: (batch, samples), what is heard with `condition_from: another`.

        At separation the query net hears a mixture, never the clean source; training on that closes the gap.
        A class-indexed strategy keeps the target's class of what it hears. Any other has no classes to keep,
        so its condition describes the whole mixture, whichever source is the target.
        """
        if self.condition_from == "another":
            assert others is not None  # the stage asks its batches for them
            return self.separator.condition_from_audio(others, classes)
        if self.condition_from == "clean":
            return self.separator.condition_from_audio(mixture.targets, classes)
        if self.separator.class_indexed:
            query = self.separator.listen(mixture.mixture)
            heard = self.separator.condition_from_mask(query, classes)
        else:
            heard = self.separator.condition_from_audio(mixture.mixture, classes)
        if self.condition_from == "mixture":
            return heard
        clean = self.separator.condition_from_audio(mixture.targets, classes)
        drawn = torch.rand(len(classes), 1)
        is_clean = drawn.to(heard.device, non_blocking=True) < 0.5
        return torch.where(is_clean, clean, heard)

    def separated(self, batch: SegmentBatch) -> tuple[Mixture, Tensor]:
        """The mixtures of a batch and the estimates of their targets (batch, channels, samples)."""
        mixture = self.mixed(batch)
        classes = F.one_hot(batch.class_index, len(self.separator.class_names)).float()
        condition = self.condition(mixture, classes, batch.others)
        audio = mixture.mixture.unsqueeze(1).expand(-1, self.separator.channels, -1)
        return mixture, self.separator(audio, condition)

    def common_step(self, batch: SegmentBatch, batch_nb: int, train: bool = True) -> Tensor:
        """Loss of a batch of segments."""
        mixture, estimate = self.separated(batch)
        if train:
            self.missing_interferers = self.missing_interferers + mixture.missing
        if not train:
            heard = estimate.float().mean(1)
            improvement = sdr_improvement(heard, mixture.targets, mixture.mixture)
            # A target that found no interferer is its own mixture: nothing can be improved.
            self.improvements.append(improvement[(mixture.interferer_index >= 0).any(1)])
        target = mixture.targets.unsqueeze(1).expand_as(estimate)
        return cast(Loss, self.loss_func)(estimate, target)

    def on_validation_epoch_end(self) -> None:
        """Log the mean SDR improvement; NaN if no target found an interferer."""
        improvements = torch.cat(self.improvements)
        self.improvements.clear()
        count = max(len(improvements), 1)
        self.log("val_sdri", improvements.mean(), sync_dist=True, batch_size=count)


def binary_cross_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross-entropy of (batch, classes) probabilities, in float32."""
    with torch.autocast(probabilities.device.type, enabled=False):
        return F.binary_cross_entropy(probabilities.float().clamp(0, 1), labels)


def make_optimiser(model: nn.Module, section: FitSection) -> torch.optim.AdamW:
    """AdamW over all that is to be trained: separator, embedding strategy, and query net if not frozen."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise UserError("nothing is left to train: every parameter of the model is frozen")
    optimiser = section.optimiser
    return torch.optim.AdamW(
        trained,
        lr=optimiser.learning_rate,
        betas=optimiser.betas,
        weight_decay=optimiser.weight_decay,
        amsgrad=optimiser.amsgrad,
        fused=True,
    )
