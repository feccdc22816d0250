"""Schedules: their shape, in an optimiser and out of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from registry.errors import UserError
from uss_plugins.recipe import FitSection
from uss_plugins.training.schedules import SCHEDULES, cosine, find_schedule, make_schedule

SETTINGS = {
    "none": {},
    "constant_warm_up": {"warm_up_steps": 10},
    "linear_warm_up": {"warm_up_steps": 10, "reduce_lr_steps": 25},
    "cosine": {"warm_up_steps": 10, "max_steps": 100, "final_factor": 0.1},
}


def test_cosine_rises_in_a_line_and_falls_to_its_final_factor() -> None:
    factor = cosine(warm_up_steps=10, max_steps=110, final_factor=0.2)
    assert [factor(step) for step in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert [factor(step) for step in (35, 60, 85)] == pytest.approx(
        [0.88284, 0.6, 0.31716], abs=1e-5
    )
    assert [factor(step) for step in (110, 1000)] == pytest.approx([0.2, 0.2])
    falling = [factor(step) for step in range(10, 111)]
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_drives_an_optimiser(name: str) -> None:
    factor = find_schedule(name)(**SETTINGS[name])
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    for step in range(60):
        assert scheduler.get_last_lr() == [pytest.approx(0.5 * factor(step))]
        optimiser.step()
        scheduler.step()


@pytest.mark.parametrize("name", ["constant_warm_up", "linear_warm_up", "cosine"])
def test_no_warm_up_starts_at_full_rate(name: str) -> None:
    assert find_schedule(name)(**SETTINGS[name] | {"warm_up_steps": 0})(0) == 1.0


def test_an_unknown_schedule_names_the_nearest() -> None:
    with pytest.raises(UserError, match="no learning-rate schedule 'cosin'; did you mean cosine"):
        find_schedule("cosin")


def section(**schedule: Any) -> FitSection:
    return FitSection.model_validate({"steps": 20, "validate_every": 20, "schedule": schedule})


def test_a_recipes_schedule_ends_with_its_training() -> None:
    assert make_schedule(section(name="cosine", warm_up_steps=0))(20) == pytest.approx(0.0)
    longer = make_schedule(section(name="cosine", warm_up_steps=0, max_steps=40))
    assert longer(20) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"name": "constant_warm_up", "warmup": 3}, "schedule 'constant_warm_up'.*'warmup'"),
        ({"name": "constant_warm_up", "warm_up_steps": "x"}, "'warm_up_steps' must be int"),
        ({"name": "constant_warm_up", "warm_up_steps": -3}, "warm_up_steps=-3 must be at least 0"),
        (
            {"name": "linear_warm_up", "warm_up_steps": 1, "reduce_lr_steps": 0},
            "reduce_lr_steps=0 must be at least 1",
        ),
    ],
)
def test_a_recipes_wrong_schedule_is_refused(schedule: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        make_schedule(section(**schedule))
