"""How much of a recording's integers a separator that returns its input gives back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from band_models import RATE, ReturnsItsInput, band_model

from uss_plugins.separation.queries import classes_query
from uss_plugins.separation.recording import Settings, separate_recording


@pytest.mark.parametrize(
    ("subtype", "bound"), [("PCM_16", 0.0), ("PCM_24", 0.0), ("PCM_32", 2.0**-24)]
)
def test_integers_come_back_as_far_as_float32_holds_them(
    tmp_path: Path, subtype: str, bound: float
) -> None:
    """Loud and faint ones, at the model's rate; the bound is relative to each sample."""
    random = np.random.default_rng(6)
    audio = random.uniform(-1, 1, (70001, 2)) * 10.0 ** random.uniform(-9, 0, (70001, 1))
    soundfile.write(tmp_path / "in.wav", audio, RATE, subtype=subtype)
    model = band_model(ReturnsItsInput())
    query, settings = classes_query(model, "Low hum"), Settings(0.1, 0.02)
    made = separate_recording(model, tmp_path / "in.wav", query, tmp_path / "out", settings)
    (output,) = made.outputs
    assert soundfile.info(output.path).subtype == subtype
    expected = soundfile.read(tmp_path / "in.wav")[0]
    error = np.abs(soundfile.read(output.path)[0] - expected)
    assert (error <= bound * np.abs(expected)).all()
    assert bool(error.any()) == (bound > 0)
