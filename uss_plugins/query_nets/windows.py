"""Audio that is longer than a net hears at once: cut into windows that cover it evenly."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor


def window_starts(samples: int, window_samples: int) -> list[int]:
    """First samples of the fewest windows that cover so many samples, from the first to the last, evenly."""
    count = max(1, -(-samples // window_samples))
    last = max(0, samples - window_samples)
    return [round(number * last / max(1, count - 1)) for number in range(count)]


def windows(audio: Tensor, window_samples: int) -> Iterator[Tensor]:
    """The windows of audio (batch, samples): (batch, window_samples), or the whole of shorter audio."""
    for start in window_starts(audio.shape[1], window_samples):
        yield audio[:, start : start + window_samples]
