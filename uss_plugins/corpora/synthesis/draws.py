"""Where the variation within a class comes from, and how the splits come to differ in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")

VALID_BAND = (0.30, 0.40)
TEST_BAND = (0.60, 0.70)
TEST_OVERREACH = 0.05

T = TypeVar("T")


class Draws:
    """Random parameters of one sound, and its noise, from two streams of their own.

    The streams are apart so that a sound has the same parameters at every sample rate, however many
    noise samples that takes.

    A *trait* (pitch, tempo, timbre, ...) is drawn over its range according to the split. With the
    range mapped to [0, 1]: train leaves out the bands (0.30, 0.40) and (0.60, 0.70); valid only the
    second; test draws from all of [-0.05, 1.05], so that it also meets values never trained on.
    """

    def __init__(self, seeds: np.random.SeedSequence, split: Split) -> None:
        parameters, noise = seeds.spawn(2)
        self.rng = np.random.default_rng(parameters)
        self._noise_rng = np.random.default_rng(noise)
        self._split = split

    def _position(self) -> float:
        position = float(self.rng.random())
        if self._split == "test":
            return position * (1 + 2 * TEST_OVERREACH) - TEST_OVERREACH
        bands = (TEST_BAND,) if self._split == "valid" else (VALID_BAND, TEST_BAND)
        position *= 1 - sum(high - low for low, high in bands)
        for low, high in bands:
            if position >= low:
                position += high - low
        return position

    def trait(self, low: float, high: float) -> float:
        """A value of [low, high], even on a linear scale, as far as the split may use the range."""
        return low + (high - low) * self._position()

    def log_trait(self, low: float, high: float) -> float:
        """A value of [low, high], even on a logarithmic scale; for frequencies, rates and times."""
        return float(low * (high / low) ** self._position())

    def uniform(self, low: float, high: float) -> float:
        """A detail that is drawn alike in every split."""
        return float(self.rng.uniform(low, high))

    def spread(self, low: float, high: float, count: int) -> NDArray[np.float64]:
        """(count,) details, each as of `uniform`."""
        return self.rng.uniform(low, high, count)

    def chance(self, probability: float) -> bool:
        """True that often."""
        return bool(self.rng.random() < probability)

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each as likely."""
        return options[int(self.rng.integers(len(options)))]

    def count(self, low: int, high: int) -> int:
        """A whole number of [low, high], both included."""
        return int(self.rng.integers(low, high + 1))

    def noise(self, samples: int) -> NDArray[np.float32]:
        """(samples,) white Gaussian noise of unit variance."""
        return self._noise_rng.standard_normal(samples, dtype=np.float32)
