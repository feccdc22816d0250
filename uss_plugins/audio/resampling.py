"""Resampling of a stream of blocks, with lengths that are known exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray


def resampled_samples(samples: int, from_rate: int, to_rate: int) -> int:
    """Samples at `to_rate` that cover `samples` at `from_rate`: rounded up, so none is lost."""
    return -(-samples * to_rate // from_rate)


class StreamingResampler:
    """Resamples blocks as they come; joined, its blocks are what one long pass would give, without delay.

    Equal rates pass through untouched. How much has come out depends only on how much has gone in, so
    resamplers that are fed alike stay in step.

    Args:
        from_rate, to_rate: Hz.
        channels: channels of each block.
    """

    def __init__(self, from_rate: int, to_rate: int, channels: int) -> None:
        self.from_rate, self.to_rate, self.channels = from_rate, to_rate, channels
        self._stream = (
            None
            if from_rate == to_rate
            else soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality="VHQ")
        )
        self._taken_samples = 0
        self._given_samples = 0

    def push(self, block: NDArray[Any]) -> NDArray[np.float32]:
        """Take (channels, samples) and give what is ready, which may be nothing."""
        self._taken_samples += block.shape[1]
        ready = self._process(block)
        self._given_samples += ready.shape[1]
        return ready

    def finish(self, total_samples: int | None = None) -> NDArray[np.float32]:
        """The rest, so that `total_samples` have been given in all. Use once, at the end.

        `total_samples` is by default what covers the input (`resampled_samples`). More is filled with
        the decay into silence. It must not be less than has been given already.
        """
        if total_samples is None:
            total_samples = resampled_samples(self._taken_samples, self.from_rate, self.to_rate)
        missing = total_samples - self._given_samples
        assert missing >= 0, (total_samples, self._given_samples)
        # A stream's own end is rounded to nearest; a little silence after it makes sure of the last sample.
        reserve = resampled_samples(missing, self.to_rate, self.from_rate) + 1
        silence = np.zeros((self.channels, reserve), np.float32)
        return self._process(silence, last=True)[:, :missing]

    def _process(self, block: NDArray[Any], last: bool = False) -> NDArray[np.float32]:
        block = np.asarray(block, dtype=np.float32)
        if self._stream is None:
            return block
        # soxr wants (samples, channels), in order in memory.
        resampled = self._stream.resample_chunk(np.ascontiguousarray(block.T), last=last)
        return np.ascontiguousarray(resampled.T)
