from __future__ import annotations

import multiprocessing
import pickle
from itertools import pairwise

import numpy as np
import pytest

from registry.contracts import Corpus, KnowsTruth
from registry.errors import UserError
from uss_plugins.corpora.synthesis.catalogue import GENERATORS
from uss_plugins.corpora.synthetic import SyntheticCorpus
from uss_plugins.labels.audioset import find_class

CLASSES = tuple(GENERATORS)


def test_it_keeps_the_contracts_of_a_corpus_that_knows_its_truth() -> None:
    corpus = SyntheticCorpus("train", clips=3)
    assert isinstance(corpus, Corpus)
    assert isinstance(corpus, KnowsTruth)
    assert len(corpus) == 3
    assert corpus.labels.shape == (3, len(corpus.class_names))
    assert corpus.labels.dtype == np.bool_


def test_its_classes_are_audiosets_in_audiosets_order() -> None:
    corpus = SyntheticCorpus("train", clips=1)
    known = [find_class(name) for name in corpus.class_names]
    assert len(known) >= 20
    assert corpus.class_names == tuple(one.name for one in known)
    assert corpus.class_ids == tuple(one.machine_id for one in known)
    assert [one.index for one in known] == sorted(one.index for one in known)


def _clips_of(corpus: SyntheticCorpus, indices: list[int]) -> list[np.ndarray]:
    return [corpus.clip(index) for index in indices]


def test_a_clip_is_the_same_in_another_process_and_in_another_order() -> None:
    corpus = SyntheticCorpus("train", clips=16, clip_seconds=4.0, seed=7)
    here = _clips_of(corpus, [0, 5, 11])
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        there = pool.apply(_clips_of, (pickle.loads(pickle.dumps(corpus)), [11, 0, 5]))
    for mine, other in zip(here, [there[1], there[2], there[0]], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_fewer_clips_are_the_first_of_more() -> None:
    few, many = SyntheticCorpus("valid", clips=20), SyntheticCorpus("valid", clips=60)
    np.testing.assert_array_equal(few.labels, many.labels[:20])
    assert few.plan(19) == many.plan(19)


def test_seeds_splits_and_indices_give_different_clips() -> None:
    def clip(split: str, seed: int, index: int) -> bytes:
        corpus = SyntheticCorpus(split, clips=2, clip_seconds=2.0, seed=seed)  # type: ignore[arg-type]
        return corpus.clip(index).tobytes()

    keys = [("train", 0, 0), ("train", 0, 1), ("train", 1, 0), ("valid", 0, 0), ("test", 0, 0)]
    assert len({clip(*key) for key in keys}) == len(keys)


def test_labels_are_the_classes_of_the_events() -> None:
    corpus = SyntheticCorpus("train", clips=300)
    for index, label in enumerate(corpus.labels):
        sounding = {event.class_index for event in corpus.events(index)}
        assert set(np.flatnonzero(label)) == sounding
        assert 1 <= len(sounding) <= 3


def test_classes_are_equally_frequent() -> None:
    counts = SyntheticCorpus("train", clips=2000).labels.sum(axis=0)
    assert counts.max() - counts.min() <= 2


def test_events_lie_within_the_clip_and_never_overlap_their_own_class() -> None:
    corpus = SyntheticCorpus("test", clips=300, clip_seconds=6.0)
    for index in range(len(corpus)):
        events = corpus.events(index)
        for event in events:
            assert 0 <= event.start_seconds < event.end_seconds <= 6.0
            assert event.end_seconds - event.start_seconds >= 0.99
        for first, second in pairwise(events):
            if first.class_index == second.class_index:
                assert first.end_seconds <= second.start_seconds


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_tracks_hold_each_event_in_its_span_alone_and_add_up_to_the_clip(split: str) -> None:
    corpus = SyntheticCorpus(split, clips=40)  # type: ignore[arg-type]
    for index in range(len(corpus)):
        events, tracks = corpus.events(index), corpus.tracks(index)
        assert len(tracks) == len(events) + 1
        np.testing.assert_array_equal(tracks.sum(axis=0), corpus.clip(index))
        for event, track in zip(events, tracks, strict=False):
            start = round(event.start_seconds * corpus.sample_rate)
            end = start + round((event.end_seconds - event.start_seconds) * corpus.sample_rate)
            assert not track[:start].any()
            assert not track[end:].any()
            assert np.square(track[start:end]).mean() > 1e-6


def test_the_background_is_soft_and_can_be_left_out() -> None:
    loud = SyntheticCorpus("train", clips=10, background_db=(-25.0, -25.0))
    for index in range(len(loud)):
        tracks = loud.tracks(index)
        events = loud.events(index)
        levels = []
        for event, track in zip(events, tracks, strict=False):
            seconds = event.end_seconds - event.start_seconds
            energy = np.square(track, dtype=np.float64).sum() / loud.sample_rate
            levels.append(10 * np.log10(energy / seconds))
        background = 10 * np.log10(np.square(tracks[-1], dtype=np.float64).mean())
        assert background == pytest.approx(max(levels) - 25, abs=0.1)
    assert not SyntheticCorpus("train", clips=1, background_db=None).tracks(0)[-1].any()


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 32000, 44100])
def test_every_sample_rate_has_the_same_events_and_sounds(sample_rate: int) -> None:
    corpus = SyntheticCorpus("train", clips=4, sample_rate=sample_rate, clip_seconds=3.0)
    reference = SyntheticCorpus("train", clips=4, clip_seconds=3.0)
    np.testing.assert_array_equal(corpus.labels, reference.labels)
    for index in range(4):
        assert corpus.events(index) == reference.events(index)
        clip = corpus.clip(index)
        assert clip.shape == (3 * sample_rate,)
        assert clip.dtype == np.float32
        assert np.isfinite(clip).all()
        assert np.abs(clip).max() <= 1


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("sample_rate", [8000, 44100])
def test_a_source_sounds_from_its_start_at_every_rate(name: str, sample_rate: int) -> None:
    corpus = SyntheticCorpus("test", clips=1, sample_rate=sample_rate)
    for index in range(3):
        source = corpus.source(CLASSES.index(name), index, 2.0)
        assert source.shape == (2 * sample_rate,)
        assert source.dtype == np.float32
        assert np.isfinite(source).all()
        assert np.abs(source).max() <= 1
        assert 20 * np.log10(np.sqrt(np.mean(source**2))) > -48
        opening = np.square(source[: sample_rate // 2]).mean()
        assert opening > 1e-3 * np.square(source).mean()


@pytest.mark.parametrize("name", CLASSES)
def test_a_sounding_class_never_rests_for_long(name: str) -> None:
    """A segment of 2 s from within an event holds its class: no rest lasts 1.6 s."""
    corpus = SyntheticCorpus("test", clips=1, sample_rate=8000)
    for index in range(10):
        source = corpus.source(CLASSES.index(name), index, 6.0)
        power = np.square(source.reshape(-1, 400)).mean(axis=1)  # frames of 50 ms
        loud = np.flatnonzero(power > 1e-3 * power.mean())
        rests = np.diff(loud, prepend=0, append=len(power))
        assert rests.max() * 0.05 < 1.6


@pytest.mark.parametrize("name", ["Train horn", "Siren", "Violin, fiddle", "Piano", "Church bell"])
def test_tonal_classes_have_the_same_partials_at_two_rates(name: str) -> None:
    """The spectra at 16 and 32 kHz agree under 3 kHz, so nothing has folded down into it."""
    spectra = []
    for sample_rate in (16000, 32000):
        corpus = SyntheticCorpus("train", clips=1, sample_rate=sample_rate)
        source = corpus.source(CLASSES.index(name), 1, 2.0)
        spectrum = np.abs(np.fft.rfft(source * np.hanning(len(source))))[: 3000 * 2]
        spectra.append(spectrum / np.linalg.norm(spectrum))
    assert float(spectra[0] @ spectra[1]) > 0.98


def test_a_subset_of_classes_sounds_like_the_whole() -> None:
    part = SyntheticCorpus("train", clips=5, classes=["siren", "/m/09x0r"])
    assert part.class_names == ("Speech", "Siren")
    whole = SyntheticCorpus("train", clips=5)
    siren = whole.class_names.index("Siren")
    np.testing.assert_array_equal(part.source(1, 4, 1.0), whole.source(siren, 4, 1.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ["Spech"]}, "Speech"),
        ({"classes": []}, "at least one"),
        ({"sample_rate": 4000}, "sample_rate"),
        ({"clips": 0}, "clips"),
        ({"max_classes_per_clip": 0}, "max_classes_per_clip"),
        ({"clip_seconds": 0.0}, "clip_seconds"),
        ({"split": "dev"}, "split 'dev'"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        SyntheticCorpus(**{"split": "train", **arguments})  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def _features(corpus: SyntheticCorpus, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation over time of log band energies, and what they change by: level-free."""
    features, classes = [], []
    edges = np.unique(np.geomspace(2, 256, 25).astype(int))
    window = np.hanning(512)
    for class_index in range(len(corpus.class_names)):
        for index in range(per_class):
            sound = corpus.source(class_index, index, 2.0)
            sound = sound / np.sqrt(np.mean(sound**2))
            frames = np.lib.stride_tricks.sliding_window_view(sound, 512)[::256] * window
            power = np.abs(np.fft.rfft(frames)) ** 2
            bands = np.log(np.add.reduceat(power[:, :257], edges[:-1], axis=1) + 1e-3)
            change = np.abs(np.diff(bands, axis=0)).mean(axis=0)
            features.append(np.concatenate([bands.mean(axis=0), bands.std(axis=0), change]))
            classes.append(class_index)
    return np.array(features), np.array(classes)


def test_a_linear_classifier_learns_the_classes_and_keeps_them_on_the_test_split() -> None:
    """Linear discriminants on crude features; chance is 1 in 24."""
    known, classes = _features(SyntheticCorpus("train", clips=1), per_class=40)
    unknown, expected = _features(SyntheticCorpus("test", clips=1), per_class=12)
    centres = np.array([known[classes == index].mean(axis=0) for index in range(len(CLASSES))])
    within = np.cov((known - centres[classes]).T)
    within += 0.05 * np.diag(np.diag(within))
    whitening = np.linalg.cholesky(np.linalg.inv(within))
    offsets = (unknown[:, None] - centres) @ whitening
    right = np.square(offsets).sum(axis=2).argmin(axis=1) == expected
    assert right.mean() > 0.75
    assert min(right[expected == index].mean() for index in range(len(CLASSES))) > 0.25
