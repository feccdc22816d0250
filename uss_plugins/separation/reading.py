"""A recording at a model's rate, cut into segments as it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from numpy.typing import NDArray

from uss_plugins.audio.files import AudioReader
from uss_plugins.audio.overlap_add import Segment, Segmenter
from uss_plugins.audio.resampling import StreamingResampler


def read_segments(
    reader: AudioReader,
    sample_rate: int,
    segmenter: Segmenter,
    on_block: Callable[[NDArray[Any]], None],
) -> Iterator[Segment]:
    """Segments of a recording, resampled to `sample_rate` (Hz).

    `on_block` is called with each block of the recording itself, (channels, samples) float64, before the
    segments that it completes.
    """
    resampler = StreamingResampler(reader.sample_rate, sample_rate, reader.channels)
    for block in reader.blocks(dtype="float64"):
        on_block(block)
        yield from segmenter.push(resampler.push(block))
    yield from segmenter.push(resampler.finish())
    yield from segmenter.finish()
