"""A cell: trained, evaluated and measured, in a process of its own."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from uss_plugins.benchmarking.curves import read_curve
from uss_plugins.benchmarking.grid import Budget
from uss_plugins.benchmarking.measures import (
    giga_macs,
    median_seconds,
    parameter_count,
    peak_memory_bytes,
    reset_peak_memory,
)
from uss_plugins.benchmarking.mixtures import StoredMixtures
from uss_plugins.benchmarking.results import ESTIMATE, MIXTURE, TARGET, CellFigures
from uss_plugins.benchmarking.trial import Trial, trial_of
from uss_plugins.benchmarking.work import GridExperiment, Work
from uss_plugins.compose import build_corpus
from uss_plugins.corpora.anchors import AnchorTable
from uss_plugins.evaluation.batches import read_batches, separate_by_class
from uss_plugins.evaluation.protocol import Pair, evaluation_pairs
from uss_plugins.evaluation.results import PairScore, Results, to_json
from uss_plugins.evaluation.run import evaluate
from uss_plugins.evaluation.section import EvaluationSection
from uss_plugins.files import write_text, written_aside
from uss_plugins.recipe import Recipe
from uss_plugins.separation.folder import load_model
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.training.devices import Devices
from uss_plugins.training.fit import CHECKPOINTS
from uss_plugins.training.stages.separator import train_separator

TIMED_SECONDS, TIMED_ROUNDS = 4.0, 3
"""Length of the recording whose separation is timed, and how often."""
LONGEST_WARM_UP = 0.1
"""Of a training whose steps follow from a budget in seconds: of few steps, a warm-up should not take most."""


@dataclass(frozen=True)
class Trained:
    """A cell's training: where its model is, and what it took."""

    model_folder: Path
    device: str
    trial: Trial
    figures: dict[str, Any]
    peak_memory_bytes: int


def run_cell(work: Work, device: str) -> CellFigures:
    """Train, evaluate and measure; what an interrupted run had finished is taken up.

    Leaves in the cell's folder the model, its `results.json`, the logs and what the player plays; the
    checkpoints, which only serve to go on, are removed.

    Raises:
        UserError: what training and evaluation refuse.
    """
    trained = train_cell(work, device)
    model = load_model(trained.model_folder, trained.device)
    model.prepare()  # as `separate` and `evaluate` do
    pairs, corpus = evaluation_set(work)
    results = evaluate(
        model,
        corpus,
        pairs,
        work.recipe.evaluation,
        model_name=work.name,
        recipe_name="recipe.yaml",
    )
    write_text(trained.model_folder / "evaluation" / "results.json", to_json(results))
    example_sdri = keep_example(work, model, corpus, results)
    figures = figures_of(trained, model, results, corpus.digest, example_sdri)
    shutil.rmtree(work.folder / CHECKPOINTS, ignore_errors=True)
    return figures


def train_cell(work: Work, device: str) -> Trained:
    """Train by the cell's recipe, for as many steps as its trial says."""
    where = Devices(device)
    experiment = GridExperiment(work.recipe, work.folder, work.shared, where, resume=True)
    trial = trial_of(experiment, work.budget)
    recipe = with_steps(work.recipe, trial.steps, work.budget)
    reset_peak_memory()
    figures = train_separator(replace(experiment, recipe=recipe))
    torch_device = str(experiment.torch_device)
    peak = max(trial.peak_memory_bytes, peak_memory_bytes(torch_device))
    return Trained(experiment.model_folder, torch_device, trial, figures, peak)


def figures_of(
    trained: Trained,
    model: UniversalSeparator,
    results: Results,
    mixtures: str,
    example_sdri: float,
) -> CellFigures:
    """All figures of a cell; what separation costs is measured here."""
    macs, real_time_factor = cost_of(model)
    return CellFigures(
        sdri=results.bank["sdr_improvement"],
        oracle_sdri=results.oracle["sdr_improvement"],
        leak=results.leak,
        class_sdri=by_class(results),
        mixtures=mixtures,
        parameters=parameter_count(model),
        trained_parameters=parameter_count(model, trained_only=True),
        separator_parameters=parameter_count(model.separator),
        giga_macs_per_second=macs,
        real_time_factor=real_time_factor,
        training_step_seconds=trained.trial.step_seconds,
        steps=trained.trial.steps,
        training_seconds=trained.figures["seconds"],
        validation_sdri=finite(trained.figures["validation_sdri"]),
        peak_memory_bytes=trained.peak_memory_bytes,
        device=trained.device,
        example_sdri=example_sdri,
        curve=read_curve(trained.model_folder.parent),
    )


def with_steps(recipe: Recipe, steps: int, budget: Budget) -> Recipe:
    """The recipe with the length of its training, and a warm-up that fits steps that a trial decided."""
    schedule = recipe.training.schedule
    warm_up = schedule.parameters.get("warm_up_steps")
    if budget.seconds is not None and warm_up is not None:
        shorter = min(warm_up, int(LONGEST_WARM_UP * steps))
        schedule = schedule.model_copy(update={"warm_up_steps": shorter})
    validate_every = steps // budget.validations
    changes = {"steps": steps, "validate_every": validate_every, "schedule": schedule}
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=changes)})


def evaluation_set(work: Work) -> tuple[tuple[Pair, ...], StoredMixtures]:
    """The pairs that all cells are judged by, and the corpus that holds them mixed."""
    corpus = build_corpus(work.recipe, "test")
    pairs = pairs_of(work)
    return pairs, StoredMixtures(corpus, pairs, work.mixtures)


def finite(value: float) -> float | None:
    """A figure for JSON, which knows no NaN."""
    return value if math.isfinite(value) else None


def pairs_of(work: Work) -> tuple[Pair, ...]:
    """The pairs of the evaluation set."""
    anchors = AnchorTable.load(work.anchors) if work.anchors else None
    return evaluation_pairs(build_corpus(work.recipe, "test"), work.recipe.evaluation, anchors)


def by_class(results: Results) -> dict[str, tuple[float, ...]]:
    """SDRi by bank of each mixture, by class, to a thousandth of a dB."""
    found: dict[str, list[float]] = {}
    for score in results.pairs:
        name = results.classes[score.pair.query_class].name
        found.setdefault(name, []).append(round(score.bank.sdr_improvement, 3))
    return {name: tuple(values) for name, values in found.items()}


@torch.inference_mode()
def keep_example(
    work: Work, model: UniversalSeparator, corpus: StoredMixtures, results: Results
) -> float:
    """Write what the player plays, and return its SDRi: the first mixture of the example's class."""
    score = example_of(results, work.example_class)
    section = EvaluationSection(segment_seconds=work.recipe.evaluation.segment_seconds)
    (batch,) = read_batches(corpus, [score.pair], section)
    estimate = separate_by_class(model, batch)
    for name, audio in ((MIXTURE, batch.mixtures), (TARGET, batch.firsts), (ESTIMATE, estimate)):
        write_float_wav(work.folder / name, audio[0].numpy(), corpus.sample_rate)
    return score.bank.sdr_improvement


def example_of(results: Results, class_name: str | None) -> PairScore:
    """The first mixture of a class, or of all."""
    for score in results.pairs:
        if class_name in (None, results.classes[score.pair.query_class].name):
            return score
    return results.pairs[0]


def write_float_wav(path: Path, audio: np.typing.NDArray[np.float32], sample_rate: int) -> None:
    """Write (samples,) as it is, over full scale or not."""
    with written_aside(path) as aside:
        soundfile.write(aside, audio, sample_rate, subtype="FLOAT", format="WAV")


@torch.inference_mode()
def cost_of(model: UniversalSeparator) -> tuple[float, float]:
    """GMAC of the separator for a second of audio, and seconds for it, on one recording by one query."""
    samples = round(TIMED_SECONDS * model.sample_rate)
    generator = torch.Generator().manual_seed(0)
    mixture = 0.1 * torch.randn(1, model.channels, samples, generator=generator)
    mixture = mixture.to(model.query_bank.device)
    condition = model.query_bank[:1]

    macs = giga_macs(lambda: model.separator(mixture, condition)) / TIMED_SECONDS
    seconds = median_seconds(lambda: model(mixture, condition), rounds=TIMED_ROUNDS)
    return macs, seconds / TIMED_SECONDS
