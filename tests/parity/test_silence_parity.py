"""What is left of a query without its silence is what the released system leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from parity.hashfill import waveform

from uss_plugins.audio.silence import remove_silence

EXPECTED = json.loads((Path(__file__).parent / "data" / "expected.json").read_text())


def test_what_is_left_equals_the_released_systems() -> None:
    expected = EXPECTED["remove_silence"]
    sound = waveform("metrics/reference", 3, 32000).numpy()
    silence = np.zeros(16000, np.float32)
    audio = np.concatenate([sound[0], silence, 0.05 * sound[1, :9999], sound[2]])
    assert len(audio) == expected["input_samples"]
    left = remove_silence(audio, 32000)
    assert len(left) == expected["output_samples"]
    assert float(np.square(left).sum()) == pytest.approx(expected["energy"], rel=1e-6)


def test_short_and_silent_audio() -> None:
    sound = waveform("metrics/reference", 1, 1000).numpy()[0]
    assert np.array_equal(remove_silence(sound, 32000), sound)
    assert len(remove_silence(np.zeros(9000, np.float32), 32000)) == 0
    assert len(remove_silence(np.zeros(0, np.float32), 32000)) == 0
