"""Stage 2: the separator, and what the embedding strategy trains, learn on mixed anchors."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from registry.contracts import Corpus
from registry.errors import UserError
from uss_plugins.compose import build_model
from uss_plugins.corpora.anchors import AnchorTable
from uss_plugins.separation.folder import WEIGHTS, load_weights, save_model
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.training.bank import query_bank
from uss_plugins.training.batches import VALIDATION_SEED, SegmentBatches, loaders
from uss_plugins.training.experiment import Experiment, read_json, write_json
from uss_plugins.training.fit import FitResult, fit, last_checkpoint
from uss_plugins.training.losses import find_loss
from uss_plugins.training.pretrained import check_nets, check_rate, has_tagger, is_ready, load_given
from uss_plugins.training.stages.anchors import is_mined, mine
from uss_plugins.training.stages.tagger import train_tagger
from uss_plugins.training.systems import SeparationSystem
from uss_plugins.training.unchanged import SEPARATOR, keep_recipe
from uss_plugins.versions import versions

FIGURES = "training.json"


def train_separator(experiment: Experiment) -> dict[str, Any]:
    """Train the separator, after the stages before it where they are missing.

    Returns what `training.json` holds; in the processes beside the first, an empty dict.

    Raises:
        UserError: the recipe does not fit the corpus, a stage's folder was begun with another recipe, an
            unfinished training is there and not resumed, or many processes find no anchors.
    """
    recipe, folder = experiment.recipe, experiment.folder
    finished = (experiment.model_folder / WEIGHTS).exists()
    keep_recipe(folder, recipe, SEPARATOR, begun=finished or last_checkpoint(folder).exists())
    if finished:
        return read_json(folder / FIGURES)
    tagger = stages_before(experiment)
    train, valid = experiment.corpus("train"), experiment.corpus("valid")
    check_nets(recipe, train.class_names)
    anchors = {split: training_anchors(experiment, split) for split in ("train", "valid")}
    model = initial_model(experiment, train)
    loss = find_loss(recipe.training.loss)
    system = SeparationSystem(model, loss, recipe.training, recipe.mixing, recipe.seed)
    batches = partial(
        SegmentBatches,
        batch_size=recipe.training.batch_size,
        with_others=recipe.training.condition_from == "another",
    )
    result = fit(
        system,
        *loaders(
            system,
            batches(train, anchors["train"], seed=recipe.seed),
            batches(valid, anchors["valid"], seed=recipe.seed + VALIDATION_SEED),
            recipe.training,
            pin_memory=experiment.devices.on_cuda,
        ),
        recipe.training,
        folder,
        description="separator",
        monitor="val_sdri",
        shown={"loss": "loss {:.4f}", "val_sdri": "validation SDRi {:.2f} dB"},
        ema_decay=recipe.training.ema_decay,
        devices=experiment.devices,
        resume=experiment.resume,
    )
    if not result.in_first_process:
        return {}
    bank = bank_of(experiment, model, train, anchors["train"])
    model.query_bank.copy_(bank)  # only now: to move a model replaces its buffers
    figures = figures_of(experiment, system, result) | {"tagger_seconds": tagger["seconds"]}
    write_json(folder / FIGURES, figures)
    save_model(model, experiment.model_folder, recipe)
    return figures


def stages_before(experiment: Experiment) -> dict[str, Any]:
    """Train the tagger and mine the anchors where they are missing. Returns what `tagger.json` holds.

    Raises:
        UserError: they are missing, and several processes would make them.
    """
    if experiment.devices.process_count > 1 and not (
        is_mined(experiment)
        and (
            not has_tagger(experiment.recipe)
            or is_ready(experiment.recipe)
            or (experiment.tagger_folder / WEIGHTS).exists()
        )
    ):
        raise UserError(
            f"{experiment.shared}: no tagger or no anchors yet, which several devices would all make; run"
            " train-tagger and mine-anchors first"
        )
    tagger = train_tagger(experiment)
    mine(experiment)
    return tagger


def initial_model(experiment: Experiment, corpus: Corpus) -> UniversalSeparator:
    """The model before its first step: fresh weights from the recipe's seed, and those that are given."""
    recipe = experiment.recipe
    torch.manual_seed(recipe.seed)
    model = build_model(recipe, corpus.class_names, corpus.class_ids)
    check_rate(model, corpus)
    if recipe.query_net.weights is not None:
        load_given(model.query_net, recipe.query_net)
    elif recipe.detector is None and has_tagger(recipe) and not is_ready(recipe):
        load_weights(model.query_net, experiment.tagger_folder / WEIGHTS)
    if recipe.separator.weights is not None:
        load_weights(model.separator, recipe.separator.weights / WEIGHTS)
    return model


def figures_of(
    experiment: Experiment, system: SeparationSystem, result: FitResult
) -> dict[str, Any]:
    """What is to tell of a finished training."""
    parameters = list(system.separator.parameters())
    return {
        "validation_sdri": result.best_score,
        "steps": experiment.recipe.training.steps,
        "seconds": round(result.seconds, 1),
        "parameters": sum(one.numel() for one in parameters),
        "trained_parameters": sum(one.numel() for one in parameters if one.requires_grad),
        "missing_interferers": int(system.missing_interferers),
        "unreadable_segments": system.unreadable_count,
        "seed": experiment.recipe.seed,
        "versions": versions(),
    }


def training_anchors(experiment: Experiment, split: str) -> AnchorTable:
    """The mined anchors of a split that the recipe trains on."""
    table = AnchorTable.load(experiment.anchor_folder / f"{split}.npz")
    threshold = experiment.recipe.anchors.exclusive
    return table if threshold is None else table.exclusive(threshold)


def bank_of(
    experiment: Experiment, model: UniversalSeparator, corpus: Corpus, anchors: AnchorTable
) -> Tensor:
    """The query bank of a trained model."""
    return query_bank(
        model.to(experiment.torch_device),
        corpus,
        anchors,
        anchors_per_class=experiment.recipe.training.bank_anchors_per_class,
        seed=experiment.recipe.seed,
    )
