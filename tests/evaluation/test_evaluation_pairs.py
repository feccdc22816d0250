"""The evaluation set: its counts, its balance, its determinism, and what is mixed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from evaluation.fakes import RATE, SAMPLES, SECONDS, CorpusWithoutTruth, FakeCorpus

from registry.errors import UserError
from uss_plugins.corpora.anchors import AnchorTable
from uss_plugins.evaluation.protocol import (
    Pair,
    UnusablePairError,
    evaluation_pairs,
    mix_pair,
)
from uss_plugins.evaluation.section import EvaluationSection
from uss_plugins.evaluation.segments import Segment

SECTION = EvaluationSection(pairs_per_class=7, absent_per_class=5, segment_seconds=SECONDS)
MINED = SECTION.model_copy(update={"segments": "mined"})


def anchors_of(
    corpus: FakeCorpus, *, sample_rate: int = RATE, samples: int = SAMPLES
) -> AnchorTable:
    """The true place of each label: one row for each clip and label."""
    clips = np.repeat(np.arange(len(corpus)), 2)
    return AnchorTable(
        clip=clips,
        class_index=corpus.halves.reshape(-1).astype(np.int64),
        start_samples=np.tile([0, SAMPLES], len(corpus)),
        probabilities=np.zeros((len(clips), 0), np.float16),
        sample_rate=sample_rate,
        segment_samples=samples,
    )


def test_every_class_gets_its_pairs_and_each_other_class_interferes_alike() -> None:
    pairs = evaluation_pairs(FakeCorpus(), SECTION)
    for index in range(4):
        own = [p for p in pairs if p.query_class == index and p.has_target]
        assert len(own) == 7
        interferers = Counter(p.second.class_index for p in own)
        assert sorted(interferers) == [k for k in range(4) if k != index]
        assert set(interferers.values()) <= {2, 3}
        assert all(p.first.class_index == index for p in own)


def test_absent_pairs_mix_two_other_classes() -> None:
    pairs = [p for p in evaluation_pairs(FakeCorpus(), SECTION) if not p.has_target]
    assert Counter(p.query_class for p in pairs) == dict.fromkeys(range(4), 5)
    assert all(len({p.query_class, p.first.class_index, p.second.class_index}) == 3 for p in pairs)


def test_no_two_mixtures_share_an_isolated_source() -> None:
    pairs = evaluation_pairs(FakeCorpus(), SECTION)
    segments = [segment for p in pairs for segment in (p.first, p.second)]
    assert len(set(segments)) == len(segments)


@pytest.mark.parametrize("section", [SECTION, MINED])
def test_the_seed_decides_the_pairs(section: EvaluationSection) -> None:
    corpus = FakeCorpus()
    pairs = evaluation_pairs(corpus, section, anchors_of(corpus))
    assert pairs == evaluation_pairs(corpus, section, anchors_of(corpus))
    other = section.model_copy(update={"seed": 1})
    assert pairs != evaluation_pairs(corpus, other, anchors_of(corpus))


def test_the_default_is_twenty_pairs_of_two_seconds() -> None:
    section = EvaluationSection()
    assert (section.pairs_per_class, section.segment_seconds, section.segments) == (20, 2.0, "true")


def test_two_classes_leave_no_absent_pairs_and_one_class_is_refused() -> None:
    pairs = evaluation_pairs(FakeCorpus(class_count=2), SECTION)
    assert len(pairs) == 14
    assert all(p.has_target for p in pairs)
    lone = FakeCorpus(class_count=2)
    lone.class_names = ("Only",)
    with pytest.raises(UserError, match="has 1"):
        evaluation_pairs(lone, SECTION)


def test_mined_segments_never_come_from_a_clip_with_the_targets_label() -> None:
    corpus = FakeCorpus()
    pairs = evaluation_pairs(corpus, MINED, anchors_of(corpus))
    assert Counter(p.query_class for p in pairs if p.has_target) == dict.fromkeys(range(4), 7)
    assert Counter(p.query_class for p in pairs if not p.has_target) == dict.fromkeys(range(4), 5)
    for p in pairs:
        assert not corpus.labels[p.second.number, p.query_class]
        assert corpus.labels[p.first.number, p.query_class] == p.has_target
        assert not corpus.labels[p.second.number, p.first.class_index]
        for segment in (p.first, p.second):
            half = 0 if segment.start_samples == 0 else 1
            assert corpus.halves[segment.number, half] == segment.class_index


def test_a_mined_target_is_used_once() -> None:
    corpus = FakeCorpus(clip_count=8)
    many = MINED.model_copy(update={"pairs_per_class": 50})
    targets = [p.first for p in evaluation_pairs(corpus, many, anchors_of(corpus)) if p.has_target]
    assert len(targets) == len(set(targets)) == 16


@pytest.mark.parametrize(
    ("corpus", "section", "anchors", "message"),
    [
        (CorpusWithoutTruth(), SECTION, None, "knows no isolated sources"),
        (FakeCorpus(), MINED, None, "--anchors FILE"),
        (FakeCorpus(), MINED, anchors_of(FakeCorpus(), sample_rate=8000), "8000 Hz"),
        (FakeCorpus(), MINED, anchors_of(FakeCorpus(), samples=4 * SAMPLES), "last 1 s"),
        (FakeCorpus(), MINED, anchors_of(FakeCorpus(clip_count=25)), "name clip 24"),
        (FakeCorpus(), MINED, anchors_of(FakeCorpus(3)), "do not carry"),
        (FakeCorpus(), MINED, anchors_of(FakeCorpus(clip_count=1)), "no evaluation mixture"),
    ],
)
def test_what_cannot_be_paired_is_refused(corpus, section, anchors, message) -> None:
    with pytest.raises(UserError, match=message):
        evaluation_pairs(corpus, section, anchors)


@pytest.mark.parametrize("section", [SECTION, MINED])
def test_a_mixture_is_the_target_and_the_interferer_at_its_energy(section) -> None:
    corpus = FakeCorpus()
    for pair in evaluation_pairs(corpus, section, anchors_of(corpus)):
        mixture, first = mix_pair(corpus, pair, SECONDS)
        source = corpus.source(pair.first.class_index, pair.first.number, SECONDS)
        np.testing.assert_allclose(first, source, atol=1e-6)
        second = corpus.source(pair.second.class_index, pair.second.number, SECONDS)
        gain = np.sqrt(np.sum(first.astype(float) ** 2) / np.sum(second.astype(float) ** 2))
        np.testing.assert_allclose(mixture, first + gain * second, atol=1e-6)
        assert mixture.dtype == first.dtype == np.float32


def test_a_segment_at_the_end_of_a_short_clip_is_padded_with_zeros() -> None:
    corpus = FakeCorpus()
    pair = Pair(int(corpus.halves[0, 1]), Segment(1, 0, SAMPLES + 100), Segment(0, 4))
    _, first = mix_pair(corpus, pair, SECONDS)
    np.testing.assert_array_equal(first[:-100], corpus.clip(0)[SAMPLES + 100 :])
    np.testing.assert_array_equal(first[-100:], np.zeros(100))


def test_silent_and_unreadable_segments_are_named() -> None:
    corpus = FakeCorpus(silent=[(2, 0)])
    with pytest.raises(UnusablePairError, match=r"source 0 of 'Class 2' is silent"):
        mix_pair(corpus, Pair(1, Segment(1, 0), Segment(2, 0)), SECONDS)
    corpus.unreadable.add(3)
    with pytest.raises(UnusablePairError, match=r"clip3\.wav: broken"):
        mix_pair(corpus, Pair(1, Segment(1, 0), Segment(3, 3, 0)), SECONDS)
