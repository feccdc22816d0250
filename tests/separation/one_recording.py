"""A recording that is written, separated by a model whose answer is known, and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from band_models import RATE, Recorder, band_model
from numpy.typing import NDArray

from uss_plugins.separation.queries import classes_query, detected_query
from uss_plugins.separation.recording import Separation, Settings, separate_recording

SHORT = Settings(segment_seconds=0.1, overlap_seconds=0.02)


def smooth(samples: int, rate: int = RATE, channels: int = 1) -> NDArray[np.float64]:
    """Tones that differ by channel and fade in and out, (samples, channels)."""
    times = np.arange(samples)[:, np.newaxis] / rate
    tones = np.sin(2 * np.pi * (300 + 111 * np.arange(channels)) * times)
    return np.asarray(0.5 * np.hanning(samples)[:, np.newaxis] ** 2 * tones)


def read(path: Path) -> NDArray[np.float64]:
    return np.asarray(soundfile.read(path, always_2d=True)[0])


def separated(
    tmp_path: Path,
    audio: NDArray[np.float64],
    separator: Recorder,
    *,
    classes: str | None = None,
    threshold: float | None = None,
    settings: Settings = SHORT,
    rate: int = RATE,
    subtype: str = "PCM_16",
) -> tuple[Separation, dict[str, NDArray[np.float64]]]:
    soundfile.write(tmp_path / "in.wav", audio, rate, subtype=subtype)
    model = band_model(separator)
    query = (
        classes_query(model, classes, threshold=threshold)
        if classes
        else detected_query(model, threshold=threshold)
    )
    made = separate_recording(model, tmp_path / "in.wav", query, tmp_path / "out", settings)
    return made, {output.name: read(output.path) for output in made.outputs}
