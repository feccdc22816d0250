"""Losses are those of the released system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from parity.hashfill import waveform

from uss_plugins.training.losses import find_loss

EXPECTED = json.loads((Path(__file__).parent / "data" / "expected.json").read_text())["loss"]


@pytest.mark.parametrize(
    ("name", "key"), [("l1_waveform", "l1_wav"), ("l1_waveform_l1_spectrum", "l1_wav_l1_sp")]
)
def test_losses_equal_the_released_systems(name: str, key: str) -> None:
    target = waveform("metrics/reference", 3, 32000)
    estimate = target + 0.1 * waveform("metrics/noise", 3, 32000)
    loss = find_loss(name)(estimate[:, None], target[:, None])
    assert float(loss) == pytest.approx(EXPECTED[key], rel=1e-6)
