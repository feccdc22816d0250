"""A short trial of a cell's training: what a step costs, and how many steps a budget in seconds buys."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any, cast

import torch
from torch import Tensor

from uss_plugins.benchmarking.grid import Budget
from uss_plugins.benchmarking.measures import (
    median_seconds,
    peak_memory_bytes,
    reset_peak_memory,
)
from uss_plugins.files import write_text
from uss_plugins.recipe import Recipe
from uss_plugins.training.batches import SegmentBatch, SegmentBatches
from uss_plugins.training.experiment import Experiment
from uss_plugins.training.losses import find_loss
from uss_plugins.training.memory import keep_freed_memory
from uss_plugins.training.stages.separator import initial_model, training_anchors
from uss_plugins.training.systems import SeparationSystem

TRIAL = "trial.json"
WARM_UP, ROUNDS = 2, 5


@dataclass(frozen=True)
class Trial:
    """What a trial found; the medians of some steps of a model that is thrown away.

    step_seconds: of a training step, its batch read. validation_seconds: of one validation.
    peak_memory_bytes: the most that the process held meanwhile.
    steps: of the training.
    """

    step_seconds: float
    validation_seconds: float
    peak_memory_bytes: int
    steps: int


def trial_of(experiment: Experiment, budget: Budget) -> Trial:
    """The trial of a cell: made once, so that an interrupted cell goes on with the same steps."""
    path = experiment.folder / TRIAL
    if path.exists():
        return Trial(**json.loads(path.read_text(encoding="utf-8")))
    trial = make_trial(experiment, budget)
    write_text(path, json.dumps(asdict(trial), indent=1))
    return trial


def make_trial(experiment: Experiment, budget: Budget) -> Trial:
    """Time some steps and a validation batch as training takes them: same batches, precision, optimiser."""
    keep_freed_memory()
    reset_peak_memory()
    recipe, device = experiment.recipe, experiment.torch_device
    corpus = experiment.corpus("train")
    model = initial_model(experiment, corpus).to(device).train()
    system = SeparationSystem(
        model, find_loss(recipe.training.loss), recipe.training, recipe.mixing, recipe.seed
    )
    system.to(memory_format=torch.channels_last)
    batches = SegmentBatches(
        corpus,
        training_anchors(experiment, "train"),
        recipe.training.batch_size,
        recipe.seed,
        with_others=recipe.training.condition_from == "another",
    )
    numbers = count()

    def loss(train: bool) -> Tensor:
        batch = on_device(batches[next(numbers)], device)
        with torch.autocast(
            device.type, torch.bfloat16, enabled=recipe.training.precision == "bf16"
        ):
            return system.common_step(batch, 0, train=train)

    step_seconds = median_seconds(step_of(system, loss, recipe), rounds=ROUNDS, warm_up=WARM_UP)
    model.eval()
    with torch.no_grad():
        batch_seconds = median_seconds(lambda: loss(False), rounds=2)
    validation_seconds = batch_seconds * recipe.training.validation_batches
    peak = peak_memory_bytes(str(device))
    steps = budget.steps or steps_within(budget, step_seconds, validation_seconds)
    return Trial(step_seconds, validation_seconds, peak, steps)


def step_of(
    system: SeparationSystem, loss: Callable[[bool], Tensor], recipe: Recipe
) -> Callable[[], None]:
    """One step of the training."""
    optimiser = cast(torch.optim.Optimizer, system.optimizer)

    def step() -> None:
        optimiser.zero_grad()
        loss(True).backward()  # type: ignore[no-untyped-call]
        system.configure_gradient_clipping(optimiser, recipe.training.gradient_clip)
        optimiser.step()

    return step


def steps_within(budget: Budget, step_seconds: float, validation_seconds: float) -> int:
    """How many steps, a multiple of the validations and at least one for each, the budget's seconds buy."""
    assert budget.seconds is not None
    left = budget.seconds - budget.validations * validation_seconds
    between = int(left / step_seconds / budget.validations)
    return budget.validations * max(1, between)


def on_device(batch: SegmentBatch, device: torch.device) -> SegmentBatch:
    """A batch with its tensors on a device."""
    moved: dict[str, Any] = {
        name: value.to(device)
        for name, value in batch._asdict().items()
        if isinstance(value, Tensor)
    }
    return batch._replace(**moved)
