"""Mining: every label of every readable clip gets the anchor and the tags that it should."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from corpora.tones import RATE, ToneCorpus, ToneDetector

from registry.contracts import QueryOutput
from registry.errors import UserError
from uss_plugins.corpora.anchor_truth import judge_anchors
from uss_plugins.corpora.mining import mine_anchors, sliding_starts


def test_each_anchor_covers_the_event_and_carries_its_tags() -> None:
    corpus = ToneCorpus()
    table = mine_anchors(corpus, ToneDetector(), segment_seconds=2.0, batch_size=2, workers=0)
    assert table.clip.tolist() == [0, 1, 1, 2]
    assert table.class_index.tolist() == [0, 0, 2, 1]
    assert table.segment_samples == 2 * RATE
    # The box of 2 s reaches over the whole of each event; the last clip is shorter than a segment.
    start = table.start_samples / RATE
    assert 1.5 <= start[0] <= 2.0
    assert 0.0 <= start[1] <= 0.5
    assert start[2] == pytest.approx(3.5, abs=0.02)
    assert start[3] == 0
    tagged = table.probabilities > 0.5
    assert tagged.tolist() == np.eye(3, dtype=bool)[table.class_index].tolist()
    assert judge_anchors(table, corpus).hit_rate == 1.0


def test_clips_that_cannot_be_read_are_skipped_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[tuple[int, int]] = []
    with caplog.at_level(logging.WARNING):
        table = mine_anchors(
            ToneCorpus(),
            ToneDetector(),
            batch_size=3,
            progress=lambda clips, total: done.append((clips, total)),
        )
    assert table.unreadable_clips.tolist() == [4]
    assert "clip 4 skipped: tone4.wav: damaged" in caplog.text
    assert "1 of 4 clips could not be read" in caplog.text
    assert done == [(3, 4), (4, 4)]


def test_the_query_net_may_have_another_rate_and_batches_do_not_matter() -> None:
    corpus = ToneCorpus()
    one_by_one = mine_anchors(corpus, ToneDetector(), batch_size=1)
    together = mine_anchors(corpus, ToneDetector(), batch_size=8, workers=1)
    faster = mine_anchors(corpus, ToneDetector(sample_rate=12000))
    assert together.start_samples.tolist() == one_by_one.start_samples.tolist()
    assert np.abs(faster.start_samples - one_by_one.start_samples).max() <= 0.02 * RATE
    assert ((faster.probabilities > 0.5) == (one_by_one.probabilities > 0.5)).all()


def test_only_the_wanted_clips_are_mined_and_each_is_heard_once() -> None:
    detector = ToneDetector()
    table = mine_anchors(ToneCorpus(), detector, segment_seconds=1.0, batch_size=1, clips=[1, 0])
    assert table.clip.tolist() == [1, 1, 0]
    assert detector.heard == [(1, 48000), (1, 8000), (1, 8000), (1, 32000), (1, 8000)]
    assert len(mine_anchors(ToneCorpus(), detector, clips=[3, 4])) == 0


def test_random_anchors_need_no_detector_and_follow_the_seed() -> None:
    class Tagless(ToneDetector):
        class_names = ()
        frames_per_second = None

        def forward(self, audio: torch.Tensor) -> QueryOutput:
            return QueryOutput(embedding=audio[:, :4])

    corpus = ToneCorpus()
    tables = [mine_anchors(corpus, Tagless(), method="random", seed=seed) for seed in (0, 0, 1)]
    assert tables[0].start_samples.tolist() == tables[1].start_samples.tolist()
    assert tables[0].start_samples.tolist() != tables[2].start_samples.tolist()
    assert tables[0].probabilities.shape == (4, 0)
    with pytest.raises(UserError, match="gives no frame probabilities"):
        mine_anchors(corpus, Tagless())


def test_a_query_net_without_the_corpuss_classes_is_refused() -> None:
    detector = ToneDetector()
    detector.class_names = ("high", "noise", "low", "mid")
    with pytest.raises(UserError, match=r"does not tag 1 of the corpus's classes \(middle\)"):
        mine_anchors(ToneCorpus(), detector)


class ToneTagger(ToneDetector):
    """Tags clips, not frames."""

    frames_per_second = None

    def forward(self, audio: torch.Tensor) -> QueryOutput:
        return QueryOutput(super().forward(audio).clip_probabilities)


def test_a_tagger_without_frames_hears_one_segment_after_the_other() -> None:
    table = mine_anchors(ToneCorpus(), ToneTagger(), segment_seconds=2.0, method="sliding")
    # The first of the segments, 1 s apart, that has some of the event; the last clip is shorter.
    assert (table.start_samples / RATE).tolist() == [1.0, 0.0, 2.0, 0.0]
    tagged = table.probabilities > 0.5
    assert tagged[np.arange(4), table.class_index].all()
    with pytest.raises(UserError, match="choose one that detects, or sliding or random anchors"):
        mine_anchors(ToneCorpus(), ToneTagger(), method="largest_area")
    with pytest.raises(UserError, match="tags no classes, which sliding anchors need"):
        mine_anchors(ToneCorpus(), None, method="sliding")


def test_segments_slide_by_half_their_length_up_to_the_end() -> None:
    assert sliding_starts(10, 4) == [0, 2, 4, 6]
    assert sliding_starts(11, 4) == [0, 2, 4, 6, 7]
    assert sliding_starts(3, 4) == [0]
