"""Batches as pure functions of their number, so that any worker makes any batch and resuming needs no state.

Shapes: batch, samples, classes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset, Sampler

from registry.contracts import ClipUnreadableError, Corpus
from registry.errors import UserError
from uss_plugins.corpora.anchors import AnchorTable, cut_segment, read_segment
from uss_plugins.corpora.sampling import ClassBalancedSampler
from uss_plugins.recipe import FitSection

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule

logger = logging.getLogger(__name__)

RETRY_STRIDE = 1_000_000_007
"""How far along its stream of draws a batch looks for a stand-in for an unreadable clip."""
MAX_RETRIES = 100
VALIDATION_SEED = 1
"""Added to the recipe's seed for validation batches."""
OTHERS = 1
"""Sets the draws of other anchors apart from all that are drawn from the same seed."""


class ClipBatch(NamedTuple):
    """Whole clips for the tagger. `unreadable` counts the clips that others stand in for."""

    audio: Tensor  # (batch, samples)
    labels: Tensor  # (batch, classes), float in {0, 1}
    unreadable: int


class SegmentBatch(NamedTuple):
    """Anchor segments for the separator, before they are mixed."""

    segments: Tensor  # (batch, samples)
    class_index: Tensor  # (batch,) long: the class each was mined for
    labels: Tensor  # (batch, classes) bool: of the clip it comes from
    probabilities: Tensor  # (batch, classes): the tagger's, of the segment; (batch, 0) without one
    unreadable: int
    others: Tensor | None = None  # (batch, samples): another anchor of each one's class


class ClipBatches(Dataset[ClipBatch]):
    """Batch number n of class-balanced clips."""

    def __init__(self, corpus: Corpus, batch_size: int, seed: int) -> None:
        self.corpus = corpus
        self.batch_size = batch_size
        self.sampler = sampler_for(corpus.labels, seed, "clip")

    def __getitem__(self, number: int) -> ClipBatch:
        """A batch whose shorter clips are padded with zeros to the longest."""
        rows, clips, unreadable = draw_batch(
            self.sampler, number, self.batch_size, lambda row: self.corpus.clip(row)
        )
        longest = max(len(clip) for clip in clips)
        audio = np.stack([cut_segment(clip, 0, longest) for clip in clips])
        labels = torch.from_numpy(self.corpus.labels[rows]).float()
        return ClipBatch(torch.from_numpy(audio), labels, unreadable)


class SegmentBatches(Dataset[SegmentBatch]):
    """Batch number n of class-balanced anchor segments.

    with_others: give each segment another one of its class, too, to query by.
    """

    def __init__(
        self,
        corpus: Corpus,
        anchors: AnchorTable,
        batch_size: int,
        seed: int,
        *,
        with_others: bool = False,
    ) -> None:
        self.corpus = corpus
        self.anchors = anchors
        self.batch_size = batch_size
        self.seed = seed
        self.with_others = with_others
        class_count = len(corpus.class_names)
        one_hot = anchors.class_index[:, None] == np.arange(class_count)
        self.sampler = sampler_for(one_hot, seed, "anchor")

    def __getitem__(self, number: int) -> SegmentBatch:
        """Segments of the anchors' length."""
        anchors = self.anchors
        rows, segments, unreadable = draw_batch(self.sampler, number, self.batch_size, self.read)
        labels = self.corpus.labels[anchors.clip[rows]]
        return SegmentBatch(
            torch.from_numpy(np.stack(segments)),
            torch.from_numpy(anchors.class_index[rows]),
            torch.from_numpy(labels),
            torch.from_numpy(anchors.probabilities[rows].astype(np.float32)),
            unreadable,
            self.others(number, rows) if self.with_others else None,
        )

    def others(self, number: int, rows: Sequence[int]) -> Tensor:
        """Another anchor of the class of each row, of another clip where there is one: (batch, samples)."""
        generator = np.random.default_rng((self.seed, number, OTHERS))
        return torch.from_numpy(np.stack([self.other(row, generator) for row in rows]))

    def other(self, row: int, generator: np.random.Generator) -> NDArray[np.float32]:
        """A random anchor of a row's class; where no other clip has one, the far end of the row's own."""
        anchors = self.anchors
        alike = (anchors.class_index == anchors.class_index[row]) & (
            anchors.clip != anchors.clip[row]
        )
        for other in generator.permutation(np.flatnonzero(alike)).tolist():
            with suppress(ClipUnreadableError):  # counted where it is drawn as a target
                return self.read(other)
        last = len(self.corpus.clip(int(anchors.clip[row]))) - anchors.segment_samples
        start = 0 if 2 * anchors.start_samples[row] > last else max(0, last)
        return read_segment(self.corpus, int(anchors.clip[row]), start, anchors.segment_samples)

    def read(self, row: int) -> NDArray[np.float32]:
        """The audio of an anchor: (samples,)."""
        anchors = self.anchors
        clip, start = int(anchors.clip[row]), int(anchors.start_samples[row])
        return read_segment(self.corpus, clip, start, anchors.segment_samples)


def sampler_for(labels: NDArray[np.bool_], seed: int, what: str) -> ClassBalancedSampler:
    """A class-balanced sampler; the classes that nothing carries are named in a warning."""
    if not labels.any():
        raise UserError(f"the corpus has no labelled {what} to train on; check its labels")
    sampler = ClassBalancedSampler(labels, seed)
    if sampler.empty_classes:
        logger.warning("classes without any %s: %s", what, list(sampler.empty_classes))
    return sampler


def draw_batch(
    sampler: ClassBalancedSampler,
    number: int,
    batch_size: int,
    read: Callable[[int], NDArray[np.float32]],
) -> tuple[list[int], list[NDArray[np.float32]], int]:
    """Rows and audio of batch `number`, and how many unreadable rows were passed over (each is named)."""
    rows, audio, unreadable = [], [], 0
    for position in range(number * batch_size, (number + 1) * batch_size):
        for attempt in range(MAX_RETRIES):
            row, _ = sampler.draw(position + attempt * RETRY_STRIDE)
            try:
                audio.append(read(row))
            except ClipUnreadableError as error:
                logger.warning("skipped: %s", error)
                unreadable += 1
                continue
            rows.append(row)
            break
        else:
            raise UserError(f"{MAX_RETRIES} clips in a row cannot be read; the last is named above")
    return rows, audio, unreadable


class StepSampler(Sampler[int]):
    """The batch numbers of an epoch, for this one of all training processes.

    Together the processes take every number once. They are counted when an epoch begins: when the sampler is
    made they have not met yet.

    steps_done: tells how many steps were taken before the epoch. Not left to Lightning's `set_epoch`, which
        counts a resumed epoch twice.
    """

    def __init__(self, steps_per_epoch: int, steps_done: Callable[[], int]) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.steps_done = steps_done

    def __len__(self) -> int:
        return self.steps_per_epoch

    def __iter__(self) -> Iterator[int]:
        together = distributed.is_available() and distributed.is_initialized()
        rank = distributed.get_rank() if together else 0
        world_size = distributed.get_world_size() if together else 1
        first = self.steps_done()
        for step in range(first, first + self.steps_per_epoch):
            yield step * world_size + rank


def loader(
    dataset: Dataset[NamedTuple], sampler: Sampler[int], workers: int, *, pin_memory: bool = False
) -> DataLoader[NamedTuple]:
    """A loader whose items are whole batches; with `pin_memory` a GPU fetches them while it computes."""
    return DataLoader(
        dataset,
        sampler=sampler,
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=pin_memory,
        multiprocessing_context="forkserver" if workers else None,
    )


class FixedSampler(Sampler[int]):
    """Batches 0 to `count` - 1, the same in every validation."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))


def loaders(
    system: LightningModule,
    train: Any,
    valid: Any,
    section: FitSection,
    *,
    pin_memory: bool = False,
) -> tuple[Any, Any]:
    """The loaders of a training and of its validation; `pin_memory`: see `loader`."""
    steps = StepSampler(section.validate_every, lambda: system.global_step)
    return (
        loader(train, steps, section.workers, pin_memory=pin_memory),
        loader(valid, FixedSampler(section.validation_batches), 0, pin_memory=pin_memory),
    )
