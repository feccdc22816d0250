"""The judging of anchors by the true times of a clip's events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from corpora.tones import RATE, ToneCorpus

from registry.contracts import Event, KnowsTruth
from uss_plugins.corpora.anchor_truth import anchor_hit_rate, judge_anchors
from uss_plugins.corpora.anchors import AnchorTable


def anchors_at(starts_seconds: Sequence[float]) -> AnchorTable:
    """Anchors of 2 s in clip 1 for class 2, which sounds from 3.5 s to 5.5 s."""
    count = len(starts_seconds)
    return AnchorTable(
        clip=np.ones(count, np.int64),
        class_index=np.full(count, 2, np.int64),
        start_samples=np.round(np.array(starts_seconds) * RATE).astype(np.int64),
        probabilities=np.zeros((count, 3), np.float16),
        sample_rate=RATE,
        segment_samples=2 * RATE,
    )


def test_an_anchor_hits_with_half_a_segment_or_a_whole_event() -> None:
    corpus = ToneCorpus()
    assert isinstance(corpus, KnowsTruth)
    table = anchors_at([3.5, 2.5, 2.4, 0.0])
    assert anchor_hit_rate(table, corpus) == 0.5
    assert anchor_hit_rate(table, corpus, min_overlap_seconds=0.8) == 0.75
    assert judge_anchors(table, corpus).mean_overlap == pytest.approx((2 + 1 + 0.9 + 0) / 4 / 2)
    corpus.true_events[1] = [Event(2, 3.5, 3.8), Event(2, 3.6, 4.0), Event(0, 0.0, 6.0)]
    assert anchor_hit_rate(anchors_at([2.0, 3.7]), corpus) == 0.5
    # Overlapping events count once: 3.5 s to 4.0 s.
    assert judge_anchors(anchors_at([2.0]), corpus).mean_overlap == pytest.approx(0.25)
