"""Anchor segments are those of the released system, sample for sample."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from uss_plugins.corpora.anchors import largest_area_start

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text())
SAMPLE_RATE = 32000


@pytest.mark.parametrize("segment_seconds", [1.0, 2.0, 4.0])
def test_the_largest_area_starts_where_the_released_system_starts(segment_seconds: float) -> None:
    case = EXPECTED[f"anchor/segment={segment_seconds}"]
    with np.load(DATA / "anchor.npz") as stored:
        probabilities = torch.from_numpy(stored["framewise"])
    start = largest_area_start(
        probabilities[torch.arange(len(probabilities)), :, case["class_ids"]],
        frames_per_second=100,
        segment_seconds=segment_seconds,
        clip_samples=10 * SAMPLE_RATE,
        sample_rate=SAMPLE_RATE,
    )
    assert start.tolist() == case["begin"]
    assert (start + int(segment_seconds * SAMPLE_RATE)).tolist() == case["end"]
