"""Learning-rate factors are those of the released system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from uss_plugins.training.schedules import Schedule, constant_warm_up, linear_warm_up

EXPECTED = json.loads((Path(__file__).parent / "data" / "expected.json").read_text())


@pytest.mark.parametrize(
    ("name", "schedule"),
    [
        ("constant_warm_up", constant_warm_up(warm_up_steps=100)),
        ("linear_warm_up", linear_warm_up(warm_up_steps=100, reduce_lr_steps=1000)),
    ],
)
def test_factors_equal_the_released_systems(name: str, schedule: Schedule) -> None:
    expected = EXPECTED[f"lr/{name}"]
    assert {step: schedule(int(step)) for step in expected} == pytest.approx(expected, rel=1e-12)
