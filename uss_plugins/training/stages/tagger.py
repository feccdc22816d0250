"""Stage 1: a query net learns to tag, and by that to detect, from weak labels."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from registry.contracts import ClipUnreadableError, Corpus
from registry.errors import UserError
from uss_plugins.compose import build_query_net
from uss_plugins.corpora.anchors import cut_segment
from uss_plugins.recipe import Recipe
from uss_plugins.separation.folder import (
    CLASSES,
    WEIGHTS,
    save_query_net_files,
    save_weights,
    write_classes,
)
from uss_plugins.training.average_precision import mean_average_precision
from uss_plugins.training.batches import VALIDATION_SEED, ClipBatches, loaders
from uss_plugins.training.experiment import Experiment, read_json, write_json
from uss_plugins.training.fit import fit, last_checkpoint
from uss_plugins.training.pretrained import has_tagger, is_ready
from uss_plugins.training.systems import TaggerSystem
from uss_plugins.training.unchanged import TAGGER, keep_recipe
from uss_plugins.versions import versions

FIGURES = "tagger.json"


def train_tagger(experiment: Experiment) -> dict[str, Any]:
    """Train the query net as a tagger on weak labels. Returns what `tagger.json` holds.

    With a detector in the recipe, that is trained. A net whose weights are given, or that tags no classes, is
    not: only `seconds`, 0, is returned, and in the first case `weights`, their folder. Of several processes,
    only the first returns figures; the others return nothing, an empty dict.

    Raises:
        UserError: the recipe does not fit the corpus, the folder was begun with another recipe, or an
            unfinished training is there and not resumed.
    """
    recipe, section = experiment.recipe.of_tagger(), experiment.recipe.tagger
    if recipe.query_net.weights is not None:
        return {"weights": str(recipe.query_net.weights), "seconds": 0.0}
    if is_ready(experiment.recipe):
        return {"weights": str(recipe.query_net.parameters["pretrained"]), "seconds": 0.0}
    if not has_tagger(experiment.recipe):
        return {"seconds": 0.0}
    folder = experiment.tagger_folder
    finished = (folder / WEIGHTS).exists()
    keep_recipe(folder, recipe, TAGGER, begun=finished or last_checkpoint(folder).exists())
    if finished:
        return read_json(folder / FIGURES)
    if section is None:
        raise UserError(
            "the recipe has no section 'tagger' to train by; add it, or query_net.weights"
        )
    torch.manual_seed(recipe.seed)
    train, valid, test = (experiment.corpus(split) for split in ("train", "valid", "test"))
    query_net = fresh_tagger(recipe, train)
    system = TaggerSystem(query_net, section, recipe.seed)
    result = fit(
        system,
        *loaders(
            system,
            ClipBatches(train, section.batch_size, recipe.seed),
            ClipBatches(valid, section.batch_size, recipe.seed + VALIDATION_SEED),
            section,
            pin_memory=experiment.devices.on_cuda,
        ),
        section,
        folder,
        description="tagger",
        monitor="val_map",
        shown={"loss": "loss {:.4f}", "val_map": "validation mAP {:.3f}"},
        devices=experiment.devices,
        resume=experiment.resume,
    )
    if not result.in_first_process:
        return {}
    query_net.to(experiment.torch_device)  # Lightning has taken it off
    figures = {
        "test_map": average_precision_on(query_net, test, section.batch_size),
        "validation_map": result.best_score,
        "steps": section.steps,
        "seconds": round(result.seconds, 1),
        "parameters": sum(parameter.numel() for parameter in query_net.parameters()),
        "unreadable_clips": system.unreadable_count,
        "versions": versions(),
    }
    write_json(folder / FIGURES, figures)
    write_classes(folder / CLASSES, train.class_names, train.class_ids)
    save_query_net_files(query_net, folder)
    save_weights(query_net, folder / WEIGHTS)
    return figures


def fresh_tagger(recipe: Recipe, corpus: Corpus) -> nn.Module:
    """The query net of a recipe with fresh weights."""
    return cast(nn.Module, build_query_net(recipe, corpus.class_names))


@torch.no_grad()
def average_precision_on(query_net: nn.Module, corpus: Corpus, batch_size: int) -> float:
    """Mean average precision of a tagger over all readable clips of a corpus."""
    query_net.eval()
    device = next(query_net.parameters()).device
    probabilities, labels = [], []
    for first in range(0, len(corpus), batch_size):
        clips = {}
        for index in range(first, min(first + batch_size, len(corpus))):
            with suppress(ClipUnreadableError):
                clips[index] = corpus.clip(index)
        if not clips:
            continue
        longest = max(len(clip) for clip in clips.values())
        audio = np.stack([cut_segment(clip, 0, longest) for clip in clips.values()])
        output = query_net(torch.from_numpy(audio).to(device)).clip_probabilities
        probabilities.append(output.float().cpu())
        labels.append(torch.from_numpy(corpus.labels[list(clips)]))
    return mean_average_precision(torch.cat(probabilities), torch.cat(labels))
