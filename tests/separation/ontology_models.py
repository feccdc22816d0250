"""Models of known answers whose classes have places in AudioSet's ontology, and recordings for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from band_models import RATE, TONES, BandQueryNet, Recorder, band_model
from numpy.typing import NDArray

from uss_plugins.separation.hierarchy.detection import Heard
from uss_plugins.separation.model import UniversalSeparator

NAMES = ("Speech", "Ambulance (siren)", "Violin, fiddle", "Rock/pop")
IDS = ("/m/09x0r", "/m/012n7d", "/m/07y_7", "rock")
SPEECH, AMBULANCE, VIOLIN, STRANGER = range(4)


def ontology_model(
    separator: Recorder, *, class_indexed: bool = True, tags: bool = True
) -> UniversalSeparator:
    """A band model whose bands are AudioSet's classes, but for the last, which AudioSet does not have."""
    model = band_model(separator, class_indexed=class_indexed, tags=tags)
    model.class_names, model.class_ids = NAMES, IDS
    return model


def tagger_of(model: UniversalSeparator) -> BandQueryNet:
    assert isinstance(model.query_net, BandQueryNet)
    return model.query_net


def tones(*parts: tuple[int, float, float, float], seconds: float) -> NDArray[np.float64]:
    """A sum of (band, amplitude, start, end), times in seconds: (samples,)."""
    times = np.arange(round(seconds * RATE)) / RATE
    audio = np.zeros_like(times)
    for band, amplitude, start, end in parts:
        sounding = (start <= times) & (times < end)
        audio += amplitude * np.sin(2 * np.pi * TONES[band] * times) * sounding
    return audio


def write(path: Path, audio: NDArray[np.float64]) -> Path:
    soundfile.write(path, audio, RATE, subtype="PCM_24")
    return path


def heard_of(probabilities: Sequence[Sequence[float]], seconds: float = 2.0) -> Heard:
    """What a query net might have heard in segments that do not overlap; all zeros is silence."""
    table = np.array(probabilities, np.float32)
    starts = seconds * np.arange(len(table))
    return Heard(
        probabilities=table,
        sounding=table.any(axis=1),
        starts=starts,
        ends=starts + seconds,
        channels=1,
        sample_rate=RATE,
        samples=round(len(table) * seconds * RATE),
        elapsed_seconds=0.0,
    )
