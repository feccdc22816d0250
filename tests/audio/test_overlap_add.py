"""Cutting and joining: nothing is lost, nothing is doubled, and no joint is heard."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from uss_plugins.audio.overlap_add import OverlapAdder, Segment, Segmenter, fade_in

SIZES = [(1, 0), (7, 0), (8, 3), (8, 4), (100, 1), (100, 50)]


def segments_of(
    audio: NDArray[np.float32],
    segment: int,
    overlap: int,
    block_samples: int = 13,
    pad_last: bool = False,
) -> list[Segment]:
    segmenter = Segmenter(segment, overlap, pad_last)
    segments = []
    for start in range(0, audio.shape[1], block_samples):
        segments += segmenter.push(audio[:, start : start + block_samples])
    return [*segments, *segmenter.finish()]


def join(estimates: list[NDArray[np.float32]], overlap: int) -> NDArray[np.float32]:
    adder = OverlapAdder(overlap)
    return np.hstack([*(adder.push(estimate) for estimate in estimates), adder.finish()])


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("samples", [1, 2, 7, 8, 9, 99, 100, 101, 150, 151, 1000, 1237])
def test_segments_join_to_the_original_bit_for_bit(sizes: tuple[int, int], samples: int) -> None:
    audio = np.random.default_rng(5).standard_normal((3, samples)).astype(np.float32)
    segments = segments_of(audio, *sizes)
    lengths = {segment.audio.shape[1] for segment in segments}
    assert lengths == {min(samples, sizes[0])}
    fresh = [segment.audio[:, segment.context_samples :] for segment in segments]
    np.testing.assert_array_equal(join(fresh, sizes[1]), audio)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("samples", [1, 2, 7, 8, 9, 99, 100, 101, 150, 151, 1000, 1237])
def test_padded_segments_join_to_the_original_too(sizes: tuple[int, int], samples: int) -> None:
    audio = np.random.default_rng(5).standard_normal((3, samples)).astype(np.float32)
    segments = segments_of(audio, *sizes, pad_last=True)
    for number, segment in enumerate(segments):
        start = number * (sizes[0] - sizes[1])
        expected = audio[:, start : start + sizes[0]]
        padding = ((0, 0), (0, sizes[0] - expected.shape[1]))
        np.testing.assert_array_equal(segment.audio, np.pad(expected, padding))
    fresh = [segment.audio[:, segment.fresh] for segment in segments]
    np.testing.assert_array_equal(join(fresh, sizes[1]), audio)


@pytest.mark.parametrize("block_samples", [1, 50, 99, 1000, 5000])
def test_blocks_of_any_size_give_the_same_segments(block_samples: int) -> None:
    audio = np.arange(1237, dtype=np.float32)[np.newaxis]
    expected = segments_of(audio, 100, 30)
    actual = segments_of(audio, 100, 30, block_samples)
    assert [one.context_samples for one in actual] == [one.context_samples for one in expected]
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one.audio, other.audio)


@pytest.mark.parametrize("overlap", [1, 2, 3, 160, 16000])
def test_weights_add_up_to_one(overlap: int) -> None:
    weights = fade_in(overlap)
    assert ((weights > 0) & (weights <= 1)).all()
    assert (np.diff(weights) >= 0).all()
    np.testing.assert_allclose(weights + weights[::-1], 1, atol=1e-6)


def test_activity_fades_over_the_overlap() -> None:
    silent, loud = np.zeros((1, 100), np.float32), np.ones((1, 100), np.float32)
    joined = join([silent, loud, silent], 40)[0]
    np.testing.assert_array_equal(joined[:60], 0)
    np.testing.assert_allclose(joined[60:100], fade_in(40), atol=1e-7)
    np.testing.assert_array_equal(joined[100:120], 1)
    np.testing.assert_allclose(joined[120:160], 1 - fade_in(40), atol=1e-6)
    np.testing.assert_array_equal(joined[160:], 0)


def test_no_overlap_is_a_hard_cut() -> None:
    joined = join([np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32)], 0)
    np.testing.assert_array_equal(joined, [[0, 0, 0, 0, 1, 1, 1, 1]])


@pytest.mark.parametrize("sizes", [(0, 0), (10, 6), (10, -1)])
def test_sizes_that_do_not_fit(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="overlap"):
        Segmenter(*sizes)
