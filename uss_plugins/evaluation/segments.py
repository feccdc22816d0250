"""The segments of a split that evaluation mixes: isolated sources, or mined anchors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from registry.contracts import Corpus, KnowsTruth
from registry.errors import UserError
from uss_plugins.corpora.anchors import AnchorTable
from uss_plugins.evaluation.section import EvaluationSection

UNKNOWN_CLASS = -1


@dataclass(frozen=True)
class Segment:
    """Where one sound is.

    class_index: the class it was drawn for; `UNKNOWN_CLASS` for a stored one whose class nobody noted.
    number: number of the isolated source, or of the stored pair; or of the clip, when `start_samples` is
        given.
    start_samples: first sample in the clip; None for an isolated source.
    """

    class_index: int
    number: int
    start_samples: int | None = None


def describe(segment: Segment, class_names: Sequence[str]) -> str:
    """A segment in words, for messages."""
    name = class_names[segment.class_index]
    if segment.start_samples is None:
        return f"source {segment.number} of {name!r}"
    return f"the segment of {name!r} at sample {segment.start_samples} of clip {segment.number}"


class SegmentPool(Protocol):
    """Hands out the segments of a split."""

    def target(self, class_index: int) -> Segment | None:
        """A segment of the class, never the same twice; None when there are no more."""
        ...

    def other(self, class_index: int, without: Sequence[int]) -> Segment | None:
        """A segment of the class whose clip carries no label in `without`; None if none is."""
        ...


class TrueSegments:
    """Isolated sources, numbered on from zero for each class: no two mixtures share one."""

    def __init__(self) -> None:
        self._used: defaultdict[int, int] = defaultdict(int)

    def target(self, class_index: int) -> Segment | None:
        """See `SegmentPool`; there is always one more."""
        number = self._used[class_index]
        self._used[class_index] += 1
        return Segment(class_index, number)

    def other(self, class_index: int, without: Sequence[int]) -> Segment | None:
        """See `SegmentPool`; an isolated source holds its own class only."""
        return self.target(class_index)


class MinedSegments:
    """Mined anchors in shuffled order. Targets are used once, interferers over and over."""

    def __init__(
        self, anchors: AnchorTable, labels: NDArray[np.bool_], generator: np.random.Generator
    ) -> None:
        self._labels = labels
        rows = generator.permutation(len(anchors.clip))
        self._segments: defaultdict[int, list[Segment]] = defaultdict(list)
        for row in rows:
            index, clip = int(anchors.class_index[row]), int(anchors.clip[row])
            self._segments[index].append(Segment(index, clip, int(anchors.start_samples[row])))
        self._targets = {index: iter(found) for index, found in self._segments.items()}
        self._next: defaultdict[int, int] = defaultdict(int)

    def target(self, class_index: int) -> Segment | None:
        """See `SegmentPool`."""
        return next(self._targets.get(class_index, iter(())), None)

    def other(self, class_index: int, without: Sequence[int]) -> Segment | None:
        """See `SegmentPool`."""
        segments = self._segments[class_index]
        for _ in segments:
            segment = segments[self._next[class_index] % len(segments)]
            self._next[class_index] += 1
            if not self._labels[segment.number, list(without)].any():
                return segment
        return None


def segment_pool(
    corpus: Corpus, section: EvaluationSection, anchors: AnchorTable | None
) -> SegmentPool:
    """The pool that `section.segments` asks for.

    Raises:
        UserError: the corpus knows no isolated sources; or mined anchors are asked for, and are not
            given or were mined from other audio.
    """
    if section.segments == "mined":
        if anchors is None:
            raise UserError(
                "evaluation.segments is 'mined', but no anchors are given: --anchors FILE"
            )
        _check_anchors(anchors, corpus, section)
        return MinedSegments(anchors, corpus.labels, np.random.default_rng(section.seed))
    if not isinstance(corpus, KnowsTruth):
        raise UserError(
            "evaluation.segments is 'true', but this corpus knows no isolated sources: mine "
            "anchors, then --set evaluation.segments=mined --anchors FILE"
        )
    return TrueSegments()


def _check_anchors(anchors: AnchorTable, corpus: Corpus, section: EvaluationSection) -> None:
    """Refuse anchors that were mined from another corpus, at another rate or of another length."""
    if anchors.sample_rate != corpus.sample_rate:
        problem = f"count at {anchors.sample_rate} Hz, the corpus is at {corpus.sample_rate} Hz"
    elif anchors.segment_samples != round(section.segment_seconds * corpus.sample_rate):
        problem = f"last {anchors.segment_seconds:g} s, the mixtures {section.segment_seconds:g} s"
    elif len(anchors) and int(anchors.clip.max()) >= len(corpus):
        problem = f"name clip {int(anchors.clip.max())}, the corpus has {len(corpus)} clips"
    elif not corpus.labels[anchors.clip, anchors.class_index].all():
        problem = "name classes that their clips do not carry"
    else:
        return
    raise UserError(f"the anchors {problem}: mine them again, from the split that is evaluated")
