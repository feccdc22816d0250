"""Where the condition comes from in training: the clean target, the mixture, or either."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry.contracts import QueryOutput
from uss_plugins.recipe import MixingSection, TrainingSection
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.training.batches import SegmentBatch
from uss_plugins.training.systems import SeparationSystem

CLASSES, SAMPLES = 4, 64


class LevelNet(nn.Module):
    """Hears class k as the mean level of the k-th quarter of its audio."""

    sample_rate = 16000
    class_names = ("a", "b", "c", "d")
    embedding_size = CLASSES
    frames_per_second = None

    def forward(self, audio: Tensor) -> QueryOutput:
        levels = audio.unflatten(1, (CLASSES, -1)).abs().mean(2)
        return QueryOutput(clip_probabilities=levels.clamp(max=1), embedding=levels)


class PassOn(nn.Module):
    """The condition is what was heard."""

    condition_size = CLASSES
    needs_classes = False

    def __init__(self, class_indexed: bool) -> None:
        super().__init__()
        self.class_indexed = class_indexed

    def forward(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        heard = query.clip_probabilities if self.class_indexed else query.embedding
        assert heard is not None
        return heard


class Scale(nn.Module):
    """A separator with one weight."""

    sample_rate, channels, condition_size = 16000, 1, CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return mixture * self.weight


def system(condition_from: str, class_indexed: bool) -> SeparationSystem:
    section = TrainingSection.model_validate(
        {"steps": 1, "validate_every": 1, "condition_from": condition_from}
    )
    model = UniversalSeparator(LevelNet(), PassOn(class_indexed), Scale())
    return SeparationSystem(model, lambda a, b: (a - b).abs().mean(), section, MixingSection(), 0)


def batch(size: int = 8) -> SegmentBatch:
    segments = 0.2 * torch.rand(size, SAMPLES, generator=torch.Generator().manual_seed(0))
    class_index = torch.arange(size) % CLASSES
    labels = F.one_hot(class_index, CLASSES).bool()
    return SegmentBatch(segments, class_index, labels, torch.zeros(size, CLASSES), 0)


def conditions(
    condition_from: str, class_indexed: bool, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """The conditions of a batch, and what the net hears in its targets and in its mixtures."""
    of, items = system(condition_from, class_indexed), batch()
    mixture = of.mixed(items)
    torch.manual_seed(seed)
    found = of.condition(mixture, F.one_hot(items.class_index, CLASSES).float())
    heard = [of.separator.listen(audio).embedding for audio in (mixture.targets, mixture.mixture)]
    return found, *heard


def own_class_only(levels: Tensor) -> Tensor:
    return levels * F.one_hot(torch.arange(len(levels)) % CLASSES, CLASSES)


@pytest.mark.parametrize("class_indexed", [True, False])
def test_clean_is_what_is_heard_in_the_target(class_indexed: bool) -> None:
    found, target, _ = conditions("clean", class_indexed)
    torch.testing.assert_close(found, target)


def test_from_the_mixture_a_class_indexed_strategy_keeps_the_targets_class() -> None:
    found, _, mixture = conditions("mixture", class_indexed=True)
    torch.testing.assert_close(found, own_class_only(mixture))
    assert (found.count_nonzero(dim=1) == 1).all()


def test_from_the_mixture_any_other_strategy_takes_all_it_hears() -> None:
    found, _, mixture = conditions("mixture", class_indexed=False)
    torch.testing.assert_close(found, mixture)


def test_both_takes_either_for_each_item_by_the_steps_seed() -> None:
    found, target, mixture = conditions("both", class_indexed=True)
    clean = (found == target).all(1)
    from_mixture = (found == own_class_only(mixture)).all(1)
    assert (clean ^ from_mixture).all()
    assert clean.any()
    assert from_mixture.any()
    assert torch.equal(found, conditions("both", class_indexed=True)[0])
    others = [conditions("both", class_indexed=True, seed=seed)[0] for seed in range(1, 5)]
    assert not all(torch.equal(found, other) for other in others)


def test_the_estimate_is_conditioned_so() -> None:
    of = system("mixture", class_indexed=True)
    seen: list[Tensor] = []
    of.separator.separator.register_forward_hook(lambda _m, given, _o: seen.append(given[1]))
    mixture, _ = of.separated(batch())
    torch.testing.assert_close(
        seen[0], own_class_only(of.separator.listen(mixture.mixture).clip_probabilities)
    )
