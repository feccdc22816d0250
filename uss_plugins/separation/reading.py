"""A recording at a model's rate, cut into segments as it is read, ahead of whoever works on them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Any, TypeVar

from numpy.typing import NDArray

from uss_plugins.audio.files import AudioReader
from uss_plugins.audio.overlap_add import Segment, Segmenter
from uss_plugins.audio.resampling import StreamingResampler

PATIENCE_SECONDS = 1.0

Item = TypeVar("Item")
Piece = tuple[list[NDArray[Any]], "Segment | None"]
"""Blocks of a recording as they are read, and the segment that the last of them completes."""


def read_segments(
    reader: AudioReader,
    sample_rate: int,
    segmenter: Segmenter,
    on_block: Callable[[NDArray[Any]], None],
    ahead: int = 1,
) -> Generator[Segment, None, None]:
    """Segments of a recording, resampled to `sample_rate` (Hz).

    While one is worked on, a thread reads and resamples the next: `ahead` of them wait at most.

    `on_block` is called with each block of the recording itself, (channels, samples) float64, before the
    segments that it completes, and from the caller's thread.
    """
    for blocks, segment in read_ahead(_pieces(reader, sample_rate, segmenter), ahead):
        for block in blocks:
            on_block(block)
        if segment is not None:
            yield segment


def read_ahead(items: Iterator[Item], ahead: int) -> Generator[Item, None, None]:
    """The items, made by a thread of its own, `ahead` of them before they are asked for.

    What the thread raises is raised here, in its turn. When this is closed the thread makes nothing more.
    It is waited for only for a moment, in which it ends what it computes: it may be reading from a pipe into
    which nothing comes, and as a daemon it does not keep the process from ending.
    """
    wanted, closed = Semaphore(ahead), Event()
    made: SimpleQueue[tuple[list[Item], BaseException | None]] = SimpleQueue()

    def make() -> None:
        try:
            while wanted.acquire() and not closed.is_set():
                made.put(([next(items)], None))
        except StopIteration:
            made.put(([], None))
        except BaseException as error:
            made.put(([], error))

    thread = Thread(target=make, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error:
                raise error
            if not item:
                return
            wanted.release()
            yield from item
    finally:
        closed.set()
        wanted.release()
        thread.join(PATIENCE_SECONDS)


def _pieces(reader: AudioReader, sample_rate: int, segmenter: Segmenter) -> Iterator[Piece]:
    resampler = StreamingResampler(reader.sample_rate, sample_rate, reader.channels)
    blocks: list[NDArray[Any]] = []
    for block in reader.blocks(dtype="float64"):
        blocks.append(block)
        for segment in segmenter.push(resampler.push(block)):
            yield blocks, segment
            blocks = []
    for segment in segmenter.push(resampler.finish()):
        yield blocks, segment
        blocks = []
    for segment in segmenter.finish():
        yield blocks, segment
        blocks = []
    yield blocks, None
