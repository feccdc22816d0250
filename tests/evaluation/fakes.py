"""A corpus and models whose scores are known on paper.

Class k sounds at its own frequencies only, with whole periods in a segment, so classes are orthogonal and
a mask over FFT bins tells them apart exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from registry.contracts import ClipUnreadableError, Event, QueryOutput

RATE = 4000
SECONDS = 0.25
SAMPLES = round(RATE * SECONDS)


def bins_of(class_index: int) -> tuple[int, int]:
    """The two FFT bins of a segment at which a class sounds."""
    return 20 + 10 * class_index, 24 + 10 * class_index


class FakeCorpus:
    """Clips of two segments' length: the first label sounds in the first half, the second in the other."""

    def __init__(
        self, class_count: int = 4, clip_count: int = 24, silent: Sequence[tuple[int, int]] = ()
    ) -> None:
        self.sample_rate = RATE
        self.class_names = tuple(f"Class {index}" for index in range(class_count))
        self.class_ids = tuple(f"/m/{index}" for index in range(class_count))
        first = np.arange(clip_count) % class_count
        second = (
            first + 1 + np.arange(clip_count) // class_count % (class_count - 1)
        ) % class_count
        self.halves = np.stack([first, second], axis=1)
        self.labels = np.zeros((clip_count, class_count), dtype=bool)
        self.labels[np.arange(clip_count)[:, None], self.halves] = True
        self.silent = set(silent)
        self.unreadable: set[int] = set()

    def __len__(self) -> int:
        return len(self.labels)

    def clip(self, index: int) -> NDArray[np.float32]:
        if index in self.unreadable:
            raise ClipUnreadableError(f"clip{index}.wav: broken")
        return np.concatenate([self.source(k, index, SECONDS) for k in self.halves[index]])

    def events(self, index: int) -> Sequence[Event]:
        first, second = (int(k) for k in self.halves[index])
        return [Event(first, 0, SECONDS), Event(second, SECONDS, 2 * SECONDS)]

    def source(self, class_index: int, index: int, seconds: float) -> NDArray[np.float32]:
        if (class_index, index) in self.silent:
            return np.zeros(round(seconds * RATE), np.float32)
        generator = np.random.default_rng([class_index, index])
        level, phases = generator.uniform(0.05, 0.4), generator.uniform(0, 2 * np.pi, 2)
        turns = 2 * np.pi * np.arange(round(seconds * RATE)) / SAMPLES
        waves = [np.sin(k * turns + p) for k, p in zip(bins_of(class_index), phases, strict=True)]
        return (level * sum(waves)).astype(np.float32)


class CorpusWithoutTruth:
    """The same clips from a corpus that knows no isolated sources."""

    def __init__(self) -> None:
        self._corpus = FakeCorpus()
        self.sample_rate = RATE
        self.class_names = self._corpus.class_names
        self.class_ids = self._corpus.class_ids
        self.labels = self._corpus.labels

    def __len__(self) -> int:
        return len(self._corpus)

    def clip(self, index: int) -> NDArray[np.float32]:
        return self._corpus.clip(index)


class BandModel(nn.Module):
    """Keeps the wanted class's bins times `wanted` and all others times `others`.

    Its condition is one-hot. The oracle query adds `oracle_bonus` to the gain of the wanted class.
    """

    query_bank: Tensor

    def __init__(
        self,
        *,
        wanted: float = 1.0,
        others: float = 0.0,
        oracle_bonus: float = 0.0,
        class_count: int = 4,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.sample_rate = RATE
        self.channels = channels
        self.class_names = tuple(f"Class {index}" for index in range(class_count))
        self.class_ids = tuple(f"/m/{index}" for index in range(class_count))
        self.register_buffer("query_bank", wanted * torch.eye(class_count))
        self.others = nn.Parameter(torch.tensor(float(others)))
        self.oracle_bonus = oracle_bonus

    def listen(self, audio: Tensor) -> QueryOutput:
        """Nothing is heard: queries are told."""
        return QueryOutput()

    def condition_from_classes(self, indices: Sequence[int]) -> Tensor:
        return self.query_bank[torch.as_tensor(indices)]

    def condition_from_audio(self, audio: Tensor, classes: Tensor | None = None) -> Tensor:
        assert classes is not None
        assert audio.shape == (len(classes), SAMPLES)
        heard = torch.fft.rfft(audio).abs()
        for row, index in zip(heard, classes.argmax(dim=1).tolist(), strict=True):
            assert int(row.argmax()) in bins_of(index), "the oracle query is not the clean target"
        return classes @ self.query_bank + self.oracle_bonus * classes

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(mixture)
        gain = self.others.expand(len(mixture), spectrum.shape[-1]).clone()
        for index in range(len(self.class_names)):
            asked = condition[:, index] != 0
            for k in bins_of(index):
                gain[asked, k] = condition[asked, index]
        return torch.fft.irfft(spectrum * gain[:, None], n=mixture.shape[-1])
