"""The evaluation set: which two segments make each mixture, and how the mixture is made.

For every class there are mixtures of one of its segments and a segment of another class at 0 dB,
and mixtures of two other classes in which it is absent (arXiv 2305.07447, section on evaluation;
the absent ones are this project's). A pair says which segments; audio is read on demand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from registry.contracts import ClipUnreadableError, Corpus, KnowsTruth
from registry.errors import UserError
from uss_plugins.corpora.anchors import AnchorTable, cut_segment
from uss_plugins.evaluation.section import EvaluationSection
from uss_plugins.evaluation.segments import Segment, SegmentPool, describe, segment_pool

SILENCE_POWER = 1e-10
"""A segment whose mean square is under this is silent: it can be neither scaled nor scored."""


@dataclass(frozen=True)
class Pair:
    """Two segments to mix and the class to ask the mixture for; `first` is the target, if there."""

    query_class: int
    first: Segment
    second: Segment

    @property
    def has_target(self) -> bool:
        """Whether the class asked for is in the mixture."""
        return self.first.class_index == self.query_class


@runtime_checkable
class HoldsPairs(Protocol):
    """A corpus whose mixtures are made already."""

    def stored_pair(
        self, pair: Pair, segment_seconds: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The mixture of a pair and its target, (samples,) each. Raises UnusablePairError."""
        ...


class UnusablePairError(Exception):
    """A pair that cannot be mixed: a segment is unreadable or silent. Callers count and name it."""


def evaluation_pairs(
    corpus: Corpus, section: EvaluationSection, anchors: AnchorTable | None = None
) -> tuple[Pair, ...]:
    """All pairs of the evaluation set, by class: those with the target, then those without.

    Decided by `section.seed` alone. For one target, each other class interferes as often as any
    other, to within one. Of mined anchors there is one pair for each distinct target segment at
    most, so a class may have fewer than `pairs_per_class`, or none; and with two classes there are
    no absent pairs.

    Raises:
        UserError: fewer than two classes, no pair at all, or `segment_pool`'s reasons.
    """
    pool = segment_pool(corpus, section, anchors)
    class_count = len(corpus.class_names)
    if class_count < 2:
        raise UserError(f"evaluation mixes two classes, but the corpus has {class_count}")
    pairs: list[Pair] = []
    for absent, count in ((False, section.pairs_per_class), (True, section.absent_per_class)):
        for query_class in range(class_count):
            generator = np.random.default_rng([section.seed, query_class, int(absent)])
            others = [index for index in range(class_count) if index != query_class]
            draw = _absent_pairs if absent else _present_pairs
            pairs += islice(draw(pool, query_class, others, generator), count)
    if not any(pair.has_target for pair in pairs):
        raise UserError(
            "no evaluation mixture can be made: the anchors hold fewer than two classes"
        )
    return tuple(pairs)


def _present_pairs(
    pool: SegmentPool, query_class: int, others: list[int], generator: np.random.Generator
) -> Iterator[Pair]:
    interferers = _shuffled_forever(others, generator)
    while (target := pool.target(query_class)) is not None:
        interferer = _first_found(pool, interferers, [query_class], 2 * len(others))
        if interferer is None:
            return
        yield Pair(query_class, target, interferer)


def _absent_pairs(
    pool: SegmentPool, query_class: int, others: list[int], generator: np.random.Generator
) -> Iterator[Pair]:
    if len(others) < 2:
        return
    classes = _shuffled_forever(others, generator)
    while True:
        first = _first_found(pool, classes, [query_class], 2 * len(others))
        if first is None:
            return
        without = [query_class, first.class_index]
        unlike = (index for index in classes if index != first.class_index)
        second = _first_found(pool, unlike, without, 2 * len(others))
        if second is None:
            return
        yield Pair(query_class, first, second)


def _first_found(
    pool: SegmentPool, classes: Iterator[int], without: list[int], tries: int
) -> Segment | None:
    found = (pool.other(index, without) for index in islice(classes, tries))
    return next((segment for segment in found if segment is not None), None)


def _shuffled_forever(classes: list[int], generator: np.random.Generator) -> Iterator[int]:
    while True:
        yield from (int(index) for index in generator.permutation(classes))


def mix_pair(
    corpus: Corpus, pair: Pair, segment_seconds: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mixture of a pair and its first segment: two arrays (samples,).

    The second segment is scaled to the first one's energy (0 dB), whatever that takes.

    Raises:
        UnusablePairError: a segment's file cannot be read, or the segment is silent.
    """
    if isinstance(corpus, HoldsPairs):
        mixture, first = corpus.stored_pair(pair, segment_seconds)
        if _power(first) < SILENCE_POWER:
            raise UnusablePairError(f"the source of stored pair {pair.first.number} is silent")
        return mixture, first
    first = _read(corpus, pair.first, segment_seconds)
    second = _read(corpus, pair.second, segment_seconds)
    gain = np.sqrt(_power(first) / _power(second))
    return first + (gain * second).astype(np.float32), first


def _read(corpus: Corpus, segment: Segment, seconds: float) -> NDArray[np.float32]:
    """One segment: (samples,), cut or padded with zeros to its length."""
    samples = round(seconds * corpus.sample_rate)
    try:
        if segment.start_samples is not None:
            audio = corpus.clip(segment.number)
        elif isinstance(corpus, KnowsTruth):
            audio = corpus.source(segment.class_index, segment.number, seconds)
        else:
            raise TypeError("an isolated source of a corpus that knows none")
    except ClipUnreadableError as error:
        raise UnusablePairError(str(error)) from error
    audio = cut_segment(audio, segment.start_samples or 0, samples)
    if _power(audio) < SILENCE_POWER:
        raise UnusablePairError(f"{describe(segment, corpus.class_names)} is silent")
    return audio


def _power(audio: NDArray[np.float32]) -> float:
    return float(np.mean(np.square(audio, dtype=np.float64)))
