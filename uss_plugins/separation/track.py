"""One output of a recording, from segments to samples in a file.

Everything is (channels, samples). Estimates come in at the model's rate, segment by segment, and go out at
the recording's rate as soon as no later segment can change them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from uss_plugins.audio.overlap_add import OverlapAdder
from uss_plugins.audio.pipes import PipeWriter
from uss_plugins.audio.resampling import StreamingResampler
from uss_plugins.audio.writing import AudioWriter

SILENT_BLOCK_SAMPLES = 1 << 18


class Track:
    """One output on its way from segments at the model's rate to a file at the recording's rate."""

    def __init__(
        self,
        overlap_samples: int,
        resampler: StreamingResampler,
        writer: AudioWriter | PipeWriter | None,
    ) -> None:
        self.writer = writer
        self.settled_samples = 0
        self._overlap_samples = overlap_samples
        self._adder = OverlapAdder(overlap_samples)
        self._resampler = resampler

    def push(self, estimate: NDArray[Any]) -> NDArray[np.float64]:
        """Take a segment's estimate, without context; give what was written, as its reader will get it."""
        settled = self._adder.push(estimate)
        self.settled_samples += settled.shape[1]
        return self._write(self._resampler.push(settled))

    def skip(self, settled_samples: int) -> None:
        """Begin late: catch up with a track that has been silent and has settled so many samples."""
        channels = self._resampler.channels
        for start in range(0, settled_samples, SILENT_BLOCK_SAMPLES):
            size = min(SILENT_BLOCK_SAMPLES, settled_samples - start)
            self._write(self._resampler.push(np.zeros((channels, size), np.float32)))
        self.settled_samples = settled_samples
        self._adder.push(np.zeros((channels, self._overlap_samples), np.float32))

    def finish(self, total_samples: int) -> NDArray[np.float64]:
        """The rest, up to the recording's length."""
        tail = self._write(self._resampler.push(self._adder.finish()))
        return np.hstack((tail, self._write(self._resampler.finish(total_samples))))

    def _write(self, block: NDArray[Any]) -> NDArray[np.float64]:
        return self.writer.write(block) if self.writer else block.astype(np.float64)
