"""Learning-rate schedules: the factor on the base learning rate at each optimiser step.

Each builder takes the settings that its schedule reads, by keyword, and gives a pure function
step -> factor, fit for `torch.optim.lr_scheduler.LambdaLR`. Steps count from 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from registry.errors import UserError, nearest
from registry.parameters import check_parameters, read_parameters
from uss_plugins.recipe import FitSection

Schedule = Callable[[int], float]


def constant() -> Schedule:
    """The base learning rate from the first step to the last."""
    return lambda step: 1.0


def constant_warm_up(*, warm_up_steps: int) -> Schedule:
    """Factor 0.001, 0.01, 0.1 for `warm_up_steps` steps each, then 1.

    The schedule of the paper's training (arXiv 2305.07447), with blocks of 10 000 steps.
    """

    def factor(step: int) -> float:
        block = step // warm_up_steps if warm_up_steps else 3
        return (0.001, 0.01, 0.1)[block] if block < 3 else 1.0

    return factor


def linear_warm_up(*, warm_up_steps: int, reduce_lr_steps: int) -> Schedule:
    """A line from 0 to 1 over `warm_up_steps`, then 0.9 for each `reduce_lr_steps` since step 0."""

    def factor(step: int) -> float:
        if step < warm_up_steps:
            return step / warm_up_steps
        return float(0.9 ** (step // reduce_lr_steps))

    return factor


def cosine(*, warm_up_steps: int, max_steps: int, final_factor: float = 0.0) -> Schedule:
    """A line up to 1 over `warm_up_steps`, then half a cosine to `final_factor` at `max_steps`.

    Unlike in `linear_warm_up`, the first step already moves the weights: step n has factor
    (n + 1) / warm_up_steps.
    """

    def factor(step: int) -> float:
        if step < warm_up_steps:
            return (step + 1) / warm_up_steps
        progress = min(1.0, (step - warm_up_steps) / max(1, max_steps - warm_up_steps))
        return final_factor + (1.0 - final_factor) * 0.5 * (1.0 + math.cos(math.pi * progress))

    return factor


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "none": constant,
    "constant_warm_up": constant_warm_up,
    "linear_warm_up": linear_warm_up,
    "cosine": cosine,
}


def find_schedule(name: str) -> Callable[..., Schedule]:
    """The builder of the schedule called `name`.

    Raises:
        UserError: there is no such schedule.
    """
    if name not in SCHEDULES:
        raise UserError(f"no learning-rate schedule {name!r}; {nearest(name, SCHEDULES)}")
    return SCHEDULES[name]


def make_schedule(section: FitSection) -> Schedule:
    """The schedule of a training; one that ends at `max_steps` ends with the training.

    Raises:
        UserError: there is no such schedule, or its parameters are wrong.
    """
    build = find_schedule(section.schedule.name)
    parameters = dict(section.schedule.parameters)
    if "max_steps" in {parameter.name for parameter in read_parameters(build)}:
        parameters.setdefault("max_steps", section.steps)
    what = f"schedule {section.schedule.name!r}"
    checked = check_parameters(build, parameters, what)
    for name, value in checked.items():
        least = 0 if name == "warm_up_steps" else 1
        if name.endswith("_steps") and value < least:
            raise UserError(f"{what}: {name}={value} must be at least {least}")
    return build(**checked)
