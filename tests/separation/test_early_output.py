"""What is separated is on the disk while the rest of a recording has yet to be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from band_models import RATE, Recorder, band_model

from uss_plugins.audio.formats import FormatChoice
from uss_plugins.separation.queries import classes_query
from uss_plugins.separation.recording import Settings, separate_recording

SEGMENT_SAMPLES, OVERLAP_SAMPLES = 16000, 1600
HOP_SAMPLES = SEGMENT_SAMPLES - OVERLAP_SAMPLES
BUFFERED_BYTES = 1 << 16
"""More than what libsndfile and Python hold back."""


class EnoughError(Exception):
    """The test has seen what it wanted to."""


class LooksAtTheDisk(Recorder):
    """Gives its input back, and keeps the size of the unfinished file at each segment until the last."""

    def __init__(self, folder: Path, last: int) -> None:
        super().__init__()
        self.folder, self.last = folder, last
        self.sizes: list[int] = []

    def estimate(self, mixture: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        (unfinished,) = self.folder.glob(".*.part")
        self.sizes.append(unfinished.stat().st_size)
        if len(self.sizes) == self.last:
            raise EnoughError
        return mixture


@pytest.mark.parametrize("format_", ["wav", "flac"])
@pytest.mark.parametrize("rate", [RATE, 44100])
def test_each_segment_is_written_before_the_next_but_one_is_separated(
    tmp_path: Path, rate: int, format_: FormatChoice
) -> None:
    """Of ten minutes, a look at the first 20 s."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * rate)
    with soundfile.SoundFile(tmp_path / "in.wav", "w", rate, 1, "PCM_16") as file:
        for _ in range(60):
            file.write(noise)
    separator = LooksAtTheDisk(tmp_path / "out", last=20)
    read: list[int] = []
    model = band_model(separator)
    with pytest.raises(EnoughError):
        separate_recording(
            model,
            tmp_path / "in.wav",
            classes_query(model, "0"),
            tmp_path / "out",
            Settings(SEGMENT_SAMPLES / RATE, OVERLAP_SAMPLES / RATE, format=format_),
            progress=lambda samples, _: read.append(samples),
        )
    assert read[-1] < 30 * rate
    segment_bytes = HOP_SAMPLES * rate / RATE  # FLAC halves the 16 bits of this noise at most
    for number, size in enumerate(separator.sizes):
        assert size >= (number - 1) * segment_bytes - BUFFERED_BYTES
    assert separator.sizes[-1] > separator.sizes[10] > separator.sizes[5] > 0
