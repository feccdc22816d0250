"""Models whose separation is known exactly: each class is a band of frequencies.

The query net hears how much of each band there is, and the separator keeps the bands of the condition.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from registry.contracts import QueryOutput
from uss_plugins.separation.model import UniversalSeparator

RATE = 16000
CLASS_NAMES = ("Low hum", "Middle, tone", "High whistle", "Silence/nothing")
CLASS_IDS = ("/m/low", "/m/middle", "/m/high", "/m/nothing")
BANDS = ((0.0, 700.0), (700.0, 2000.0), (2000.0, 4000.0), (7900.0, 8000.0))
TONES = (300.0, 1000.0, 3000.0)
"""A frequency (Hz) within each of the first bands."""


def band_masks(samples: int) -> Tensor:
    """(classes, bins): which bins of an FFT of so many samples are in each band."""
    frequencies = torch.fft.rfftfreq(samples, 1 / RATE)
    return torch.stack([(low <= frequencies) & (frequencies < high) for low, high in BANDS]).float()


class BandQueryNet(nn.Module):
    """Probability of a class: root mean square of its band, at most 1."""

    sample_rate = RATE
    embedding_size = None
    frames_per_second = None

    def __init__(self, tags: bool = True) -> None:
        super().__init__()
        self.class_names = CLASS_NAMES
        self.tags = tags
        self.heard: list[Tensor] = []

    def forward(self, audio: Tensor) -> QueryOutput:
        self.heard.append(audio)
        spectrum = torch.fft.rfft(audio)
        bands = torch.fft.irfft(spectrum[:, None] * band_masks(audio.shape[1]), n=audio.shape[1])
        level = bands.square().mean(2).sqrt().clamp(max=1)
        return QueryOutput(clip_probabilities=level if self.tags else None)


class ClassEmbedding(nn.Module):
    """The condition is the probabilities of the classes."""

    condition_size = len(CLASS_NAMES)
    needs_classes = False

    def __init__(self, class_indexed: bool = True) -> None:
        super().__init__()
        self.class_indexed = class_indexed

    def forward(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        assert query.clip_probabilities is not None
        return query.clip_probabilities


class Recorder(nn.Module):
    """A separator that keeps the conditions and the shapes it is called with."""

    sample_rate = RATE
    condition_size = len(CLASS_NAMES)

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels
        self.conditions: list[Tensor] = []
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        self.conditions += list(condition)
        self.shapes.append(tuple(mixture.shape))
        return self.estimate(mixture, condition)

    def estimate(self, mixture: Tensor, condition: Tensor) -> Tensor:
        raise AssertionError("a test's separator says what it gives")


class ReturnsItsInput(Recorder):
    """The estimate is the mixture."""

    def estimate(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return mixture.clone()


class ScalesByCondition(Recorder):
    """The estimate is the mixture times the sum of the condition."""

    def estimate(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return mixture * condition.sum(1)[:, None, None]


class KeepsBands(Recorder):
    """The estimate is the bands whose dimension of the condition is not 0."""

    def estimate(self, mixture: Tensor, condition: Tensor) -> Tensor:
        samples = mixture.shape[2]
        kept = (condition != 0).float() @ band_masks(samples)
        return torch.fft.irfft(torch.fft.rfft(mixture) * kept[:, None], n=samples)


class AddsOne(Recorder):
    """The estimate is never silent."""

    def estimate(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return mixture + 1


def band_model(
    separator: Recorder, *, class_indexed: bool = True, tags: bool = True, bank: bool = True
) -> UniversalSeparator:
    """A model of this query net and `separator`; its bank is the identity, or empty."""
    model = UniversalSeparator(
        BandQueryNet(tags), ClassEmbedding(class_indexed), separator, class_ids=CLASS_IDS
    )
    if bank:
        model.query_bank.copy_(torch.eye(len(CLASS_NAMES)))
    return model.eval()
