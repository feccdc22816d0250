"""Anchors: where they start, and their table on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from corpora.tones import RATE, ToneCorpus, ToneDetector

from registry.contracts import Corpus
from registry.errors import UserError
from uss_plugins.corpora.anchors import (
    AnchorTable,
    largest_area_start,
    random_start,
    read_segment,
)
from uss_plugins.corpora.mining import mine_anchors


def test_largest_area_is_the_best_of_all_places() -> None:
    """Against sums over every segment, for clips longer than the segment and events inside."""
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.zeros(6, 801)
    probabilities[:, 150:650] = torch.rand(6, 500, generator=generator)
    start = largest_area_start(
        probabilities,
        frames_per_second=100,
        segment_seconds=2.0,
        clip_samples=8 * RATE,
        sample_rate=RATE,
    )
    for row, first in enumerate((start // (RATE // 100)).tolist()):
        areas = probabilities[row].double().unfold(0, 201, 1).sum(dim=1)
        assert float(areas[first]) == pytest.approx(float(areas.max()), rel=1e-6)


def test_frames_after_a_clips_end_are_ignored() -> None:
    probabilities = torch.rand(3, 601, generator=torch.Generator().manual_seed(2))
    probabilities[:, 401:] = 1.0
    options = {"frames_per_second": 100, "segment_seconds": 1.0, "sample_rate": RATE}
    padded = largest_area_start(probabilities, clip_samples=torch.tensor([4 * RATE] * 3), **options)
    alone = largest_area_start(probabilities[:, :401], clip_samples=4 * RATE, **options)
    assert padded.tolist() == alone.tolist()
    assert padded.max() <= 3 * RATE
    assert largest_area_start(probabilities, clip_samples=RATE // 2, **options).tolist() == [0] * 3


def test_random_starts_are_uniform_over_the_whole_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    start = random_start(torch.full((20000,), 10 * RATE), 2 * RATE, generator)
    assert 0 <= start.min() < 50
    assert 8 * RATE - 50 < start.max() <= 8 * RATE
    counts = torch.histc(start.float(), bins=8, min=0, max=8 * RATE)
    assert (counts - 2500).abs().max() < 250
    few = random_start(torch.full((500,), 12), 10, generator)
    assert set(few.tolist()) == {0, 1, 2}
    assert random_start(torch.tensor([5, 10]), 10, generator).tolist() == [0, 0]


def test_a_segment_is_filled_with_zeros_after_the_clips_end() -> None:
    corpus: Corpus = ToneCorpus()
    clip = corpus.clip(2)
    segment = read_segment(corpus, 2, 8000, 4000)
    assert np.array_equal(segment, np.concatenate([clip[8000:], np.zeros(2400, np.float32)]))
    assert segment.dtype == np.float32


def test_a_table_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    table = mine_anchors(ToneCorpus(), ToneDetector())
    table.save(tmp_path / "anchors.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["anchors.npz"]
    loaded = AnchorTable.load(tmp_path / "anchors.npz")
    for column in ("clip", "class_index", "start_samples", "probabilities", "unreadable_clips"):
        written, read = getattr(table, column), getattr(loaded, column)
        assert np.array_equal(written, read)
        assert written.dtype == read.dtype
    assert (loaded.sample_rate, loaded.segment_samples) == (RATE, 2 * RATE)


@pytest.mark.parametrize("content", [b"", b"no table", None, "cut", "other"])
def test_a_broken_table_is_refused(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "anchors.npz"
    if content == "cut":
        mine_anchors(ToneCorpus(), ToneDetector()).save(path)
        path.write_bytes(path.read_bytes()[:700])
    elif content == "other":
        np.savez(path, clip=np.zeros(3))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"is no anchor table .* mine the anchors again"):
        AnchorTable.load(path)


def test_exclusive_anchors_hold_no_other_class_but_no_class_is_lost() -> None:
    table = AnchorTable(
        clip=np.arange(4),
        class_index=np.array([0, 0, 1, 2]),
        start_samples=np.arange(4) * 10,
        probabilities=np.array(
            [[0.9, 0.1, 0.2], [0.9, 0.6, 0.0], [0.7, 0.9, 0.0], [0.2, 0.3, 0.1]], np.float16
        ),
        sample_rate=8000,
        segment_samples=100,
    )
    # Row 1 holds class 1 too; row 2 holds class 0 too, but is all that class 1 has.
    kept = table.exclusive(0.5)
    assert kept.clip.tolist() == [0, 2, 3]
    assert kept.class_index.tolist() == [0, 1, 2]
    assert kept.start_samples.tolist() == [0, 20, 30]
    np.testing.assert_array_equal(kept.probabilities, table.probabilities[[0, 2, 3]])
