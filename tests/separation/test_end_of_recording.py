"""The last segment of a recording: as short as is enough, and apart from the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from band_models import RATE, ReturnsItsInput, band_model

from uss_plugins.audio.overlap_add import Segment
from uss_plugins.separation.queries import FixedConditions
from uss_plugins.separation.reading import in_batches
from uss_plugins.separation.recording import Settings, make_segmenter, separate_recording

WHOLE_SECONDS = 10.23


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize(
    ("seconds", "whole", "last_eighths"),
    [
        (4, 0, None),
        (10.23, 1, None),
        (10.24, 1, 4),
        (14.2, 1, 4),
        (15, 1, 5),
        (19.4, 1, 8),
        (32, 3, 4),
    ],
)
def test_the_end_takes_no_longer_than_it_must(
    tmp_path: Path, seconds: float, whole: int, last_eighths: int | None, batch_size: int
) -> None:
    audio = np.random.default_rng(4).uniform(-1, 1, round(seconds * RATE)).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", audio, RATE, subtype="FLOAT")
    separator = ReturnsItsInput()
    made = separate_recording(
        band_model(separator),
        tmp_path / "in.wav",
        FixedConditions({"all": torch.ones(4)}),
        tmp_path / "out",
        Settings(batch_size=batch_size),
    )
    np.testing.assert_array_equal(soundfile.read(made.outputs[0].path)[0], audio)
    whole_samples = round(WHOLE_SECONDS * RATE)
    lengths = [samples for items, _, samples in separator.shapes for _ in range(items)]
    assert lengths[:whole] == [whole_samples] * whole
    if not whole:
        assert lengths == [len(audio)]
    elif last_eighths is None:
        assert len(lengths) == whole
    else:
        assert lengths[whole:] == [whole_samples * last_eighths // 8]
        assert lengths[-1] >= 5 * RATE
    if batch_size > 1 and last_eighths != 8:
        assert len(separator.shapes) == len(set(lengths))


def test_segments_of_the_paper_all_have_its_length() -> None:
    segmenter = make_segmenter(Settings(segment_seconds=2.0), RATE)
    audio = np.zeros((1, 5 * RATE), np.float32)
    lengths = [one.audio.shape[1] for one in (*segmenter.push(audio), *segmenter.finish())]
    assert lengths == [2 * RATE] * 3


def test_batches_hold_segments_of_one_length_and_are_taken_in_time() -> None:
    taken = []

    def segments() -> Iterator[Segment]:
        for samples in (5, 5, 5, 3):
            taken.append(samples)
            yield Segment(np.zeros((1, samples), np.float32))

    batches = in_batches(segments(), 2)
    assert taken == []
    made = []
    for batch, count in zip(batches, (2, 4, 4), strict=True):
        made.append([one.audio.shape[1] for one in batch])
        assert len(taken) == count
    assert made == [[5, 5], [5], [3]]
    taken.clear()
    assert len(next(in_batches(segments(), 1))) == 1
    assert taken == [5]
