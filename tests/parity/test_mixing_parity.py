"""Mixtures are those of the released system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from parity.hashfill import waveform

from uss_plugins.corpora.mixing import mix

EXPECTED = json.loads((Path(__file__).parent / "data" / "expected.json").read_text())
GAINS = torch.tensor([1, 0.01, 0.3, 2, 1e-7, 0.5])


@pytest.mark.parametrize("match_energy", [True, False])
@pytest.mark.parametrize("name", ["mixer", "mixer3"])
def test_mixtures_equal_the_released_systems(name: str, match_energy: bool) -> None:
    case = EXPECTED[f"{name}/match_energy={match_energy}"]
    segments = waveform(f"{name}/segments", case["batch"], case["samples"])
    segments *= GAINS[: case["batch"], None]
    mixture = mix(segments, sources=case["mix_num"], match_energy=match_energy).mixture
    expected_head = torch.tensor(case["mixture_head"])
    torch.testing.assert_close(mixture[:, :4], expected_head, rtol=1e-6, atol=1e-8)
    rms = mixture.square().mean(dim=1).sqrt()
    torch.testing.assert_close(rms, torch.tensor(case["mixture_rms"]), rtol=1e-6, atol=0)
