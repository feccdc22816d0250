"""Long audio in overlapping segments, and estimates of them joined again, both as streams.

Neighbouring segments share `overlap_samples`, over which one fades into the next. The weights add up to
one: a joint is `old + w (new - old)`, so where both agree the result is theirs to the last bit. Segments are
float32, as models want them: integers of 24 bits go through unchanged, those of 32 bits to 2**-24 of a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Segment:
    """A piece of a recording.

    audio: (channels, samples).
    context_samples: samples at its start that are there only for a model to see; an estimate is cut by
        them before it is joined.
    padding_samples: zeros at its end, beyond the stream's, that an estimate is cut by, too.
    """

    audio: NDArray[np.float32]
    context_samples: int = 0
    padding_samples: int = 0

    @property
    def fresh(self) -> slice:
        """The samples of an estimate that are joined."""
        return slice(self.context_samples, self.audio.shape[1] - self.padding_samples)

    @property
    def fresh_samples(self) -> int:
        """How many they are."""
        return int(self.audio.shape[1]) - self.padding_samples - self.context_samples


class Segmenter:
    """Cuts a stream into segments of equal length.

    The last segment ends where the stream ends and reaches back as far as the others do, so that
    a model never sees a mere scrap; only a stream shorter than one segment gives a shorter one. With
    `pad_last` it begins where the others would and is filled with zeros, as in the released system.

    Args:
        segment_samples: length of a segment, at least 1.
        overlap_samples: what neighbours share: at least 0, at most half a segment.
    """

    def __init__(self, segment_samples: int, overlap_samples: int, pad_last: bool = False) -> None:
        if not 0 <= 2 * overlap_samples <= segment_samples or segment_samples < 1:
            raise ValueError(f"an overlap of {overlap_samples} in segments of {segment_samples}")
        self.segment_samples = segment_samples
        self.overlap_samples = overlap_samples
        self.pad_last = pad_last
        self._buffer: NDArray[np.float32] | None = None
        self._next = 0  # where in the buffer the next segment starts
        self._count = 0

    def push(self, block: NDArray[np.float32]) -> Iterator[Segment]:
        """Take (channels, samples) and give the segments that are complete."""
        self._buffer = block if self._buffer is None else np.hstack((self._buffer, block))
        while self._next + self.segment_samples <= self._buffer.shape[1]:
            yield Segment(self._buffer[:, self._next : self._next + self.segment_samples].copy())
            self._next += self.segment_samples - self.overlap_samples
            self._count += 1
        # The last segment may reach back by all but one sample of a segment.
        passed = max(0, self._next - self.segment_samples)
        self._buffer, self._next = self._buffer[:, passed:], self._next - passed

    def finish(self) -> Iterator[Segment]:
        """The last segment, if anything is left. Use once, at the end."""
        if self._buffer is None:
            return
        rest_samples = self._buffer.shape[1] - self._next
        if self.pad_last and rest_samples > (self.overlap_samples if self._count else 0):
            padding_samples = self.segment_samples - rest_samples
            rest = np.pad(self._buffer[:, self._next :], ((0, 0), (0, padding_samples)))
            yield Segment(rest, padding_samples=padding_samples)
        elif self._count == 0 and rest_samples:
            yield Segment(self._buffer)
        elif self._count and rest_samples > self.overlap_samples:
            audio = self._buffer[:, -self.segment_samples :]
            yield Segment(audio, context_samples=audio.shape[1] - rest_samples)


class OverlapAdder:
    """Joins the estimates of consecutive segments into one stream.

    Args:
        overlap_samples: as the `Segmenter` has.
    """

    def __init__(self, overlap_samples: int) -> None:
        self._weights = fade_in(overlap_samples)
        self._tail: NDArray[Any] | None = None

    def push(self, estimate: NDArray[Any]) -> NDArray[Any]:
        """Take the next estimate (channels, samples) without its context, and give what is settled."""
        if self._tail is not None:
            # A short last estimate is still longer than the overlap, as the segmenter makes them.
            head = estimate[:, : self._tail.shape[1]]
            joint = self._tail + self._weights * (head - self._tail)
            estimate = np.hstack((joint, estimate[:, head.shape[1] :]))
        settled = max(0, estimate.shape[1] - self._weights.size)
        self._tail = estimate[:, settled:]
        return estimate[:, :settled]

    def finish(self) -> NDArray[Any]:
        """What the last estimate held back. Use once, at the end, after at least one estimate."""
        assert self._tail is not None
        return self._tail


def fade_in(samples: int) -> NDArray[np.float32]:
    """Weights (samples,) that rise from 0 to 1 as sin^2, without a corner at either end.

    Those of the fade-out are 1 minus them.
    """
    phase = (np.arange(samples) + 0.5) / max(samples, 1) * (np.pi / 2)
    return (np.sin(phase) ** 2).astype(np.float32)
