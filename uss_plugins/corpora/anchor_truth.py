"""How often anchors hold their class, judged by a corpus that knows its events' true times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from registry.contracts import Event, KnowsTruth
from uss_plugins.corpora.anchors import AnchorTable


@dataclass(frozen=True)
class AnchorTruth:
    """How well a table of anchors meets the truth.

    hit_rate: share of the anchors that hold their class.
    mean_overlap: mean share of an anchor segment during which its class sounds.
    """

    hit_rate: float
    mean_overlap: float


def judge_anchors(
    table: AnchorTable, corpus: KnowsTruth, min_overlap_seconds: float | None = None
) -> AnchorTruth:
    """Compare anchors with the true events of the clips they were mined from.

    An anchor holds its class when events of the class sound during at least `min_overlap_seconds`
    of it (by default half the segment), or when it holds an event of the class from beginning to
    end, so that classes of short sounds can be hit at all.
    """
    if min_overlap_seconds is None:
        min_overlap_seconds = table.segment_seconds / 2
    hits = np.zeros(len(table), bool)
    overlap = np.zeros(len(table))
    for row, (clip, class_index, start_samples) in enumerate(
        zip(
            table.clip.tolist(),
            table.class_index.tolist(),
            table.start_samples.tolist(),
            strict=True,
        )
    ):
        start = start_samples / table.sample_rate
        end = start + table.segment_seconds
        events = [event for event in corpus.events(clip) if event.class_index == class_index]
        overlap[row] = _sounding_seconds(events, start, end)
        whole = any(start <= e.start_seconds and e.end_seconds <= end for e in events)
        hits[row] = whole or overlap[row] >= min_overlap_seconds
    return AnchorTruth(
        hit_rate=float(hits.mean()), mean_overlap=float(overlap.mean() / table.segment_seconds)
    )


def anchor_hit_rate(
    table: AnchorTable, corpus: KnowsTruth, min_overlap_seconds: float | None = None
) -> float:
    """Share of the anchors that truly hold their class, in the sense of `judge_anchors`."""
    return judge_anchors(table, corpus, min_overlap_seconds).hit_rate


def _sounding_seconds(events: Iterable[Event], start: float, end: float) -> float:
    """Seconds of [start, end] during which at least one of the events sounds."""
    total, heard_until = 0.0, start
    for event in sorted(events, key=lambda e: e.start_seconds):
        first = max(event.start_seconds, heard_until)
        last = min(event.end_seconds, end)
        total += max(0.0, last - first)
        heard_until = max(heard_until, last)
    return total
