"""Clips read from audio files: mono, at one rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from registry.contracts import ClipUnreadableError
from uss_plugins.audio.files import AudioFileError, AudioReader


def read_clip(
    path: Path, sample_rate: int, max_seconds: float | None = None
) -> NDArray[np.float32]:
    """`read_mono`, scaled down to full scale if over it, as the Corpus contract wants it."""
    audio = read_mono(path, sample_rate, max_seconds)
    limited: NDArray[np.float32] = audio / np.float32(
        max(1.0, float(np.abs(audio).max(initial=0.0)))
    )
    return limited


def read_mono(
    path: Path, sample_rate: int, max_seconds: float | None = None
) -> NDArray[np.float32]:
    """The mean of a file's channels at `sample_rate` (Hz): (samples,).

    max_seconds: what comes after is not read.

    Raises:
        ClipUnreadableError: the file cannot be read to its end, or holds NaN or infinity.
    """
    blocks, samples = [], 0
    try:
        with AudioReader(path) as reader:
            rate = reader.sample_rate
            for block in reader.blocks():
                blocks.append(block.mean(axis=0))
                samples += block.shape[1]
                if max_seconds is not None and samples >= max_seconds * rate:
                    break
    except AudioFileError as error:
        raise ClipUnreadableError(str(error)) from error
    audio: NDArray[np.float32] = np.concatenate(blocks)
    if max_seconds is not None:
        audio = audio[: round(max_seconds * rate)]
    if rate != sample_rate:
        audio = soxr.resample(audio, rate, sample_rate)
    return audio
