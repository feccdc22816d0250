"""Stage 1b: the tagger finds where in each clip its classes sound."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from registry.contracts import ClipUnreadableError, Corpus, KnowsTruth, QueryNet
from registry.errors import UserError
from uss_plugins.compose import build_corpus, build_query_net
from uss_plugins.corpora.anchor_truth import judge_anchors
from uss_plugins.corpora.anchors import AnchorTable, random_start
from uss_plugins.corpora.mining import mine_anchors
from uss_plugins.recipe import Recipe
from uss_plugins.separation.folder import WEIGHTS, load_query_net
from uss_plugins.training.devices import check_one_process
from uss_plugins.training.experiment import Experiment, read_json, with_bar, write_json
from uss_plugins.training.pretrained import has_tagger, is_ready
from uss_plugins.training.unchanged import ANCHORS, keep_recipe

FIGURES = "anchors.json"


def mine(experiment: Experiment) -> dict[str, Any]:
    """Mine the anchors of every split that is used. Returns what `anchors.json` holds.

    Raises:
        UserError: the folder was begun with another recipe, there is no tagger, or this is one of many
            processes.
    """
    recipe, folder = experiment.recipe.of_tagger(), experiment.anchor_folder
    begun = any(folder.glob("*.npz"))
    keep_recipe(folder, recipe, ANCHORS, begun, except_keys="anchors.exclusive")
    if is_mined(experiment):
        return read_json(folder / FIGURES)
    check_one_process("mining")
    query_net = load_tagger(experiment)
    figures: dict[str, Any] = {}
    for split in used_splits(recipe):
        corpus = experiment.corpus(split)
        table = mine_split(experiment, corpus, query_net, split)
        table.save(folder / f"{split}.npz")
        figures[split] = {"anchors": len(table), "unreadable": len(table.unreadable_clips)}
        figures[split] |= truth_of(table, corpus, experiment, split)
    write_json(folder / FIGURES, figures)
    return figures


def load_tagger(experiment: Experiment) -> nn.Module | None:
    """The net that mines; None where the recipe has none, and places anchors at random.

    Raises:
        UserError: it is not trained yet.
    """
    recipe = experiment.recipe.of_tagger()
    if is_ready(recipe):
        class_names = build_corpus(recipe, "train").class_names
        return cast(nn.Module, build_query_net(recipe, class_names)).eval()
    if not has_tagger(recipe):
        return None
    tagger = experiment.tagger_folder
    if not (tagger / WEIGHTS).exists():
        raise UserError(f"{tagger}: no tagger yet to mine with; run train-tagger first")
    return load_query_net(tagger)


def used_splits(recipe: Recipe) -> list[str]:
    """The splits whose anchors training and evaluation use."""
    return ["train", "valid", *(["test"] if recipe.evaluation.segments == "mined" else [])]


def is_mined(experiment: Experiment) -> bool:
    """Whether all anchors are there."""
    files = [FIGURES, *(f"{split}.npz" for split in used_splits(experiment.recipe))]
    return all((experiment.anchor_folder / name).exists() for name in files)


def mine_split(
    experiment: Experiment, corpus: Corpus, query_net: nn.Module | None, split: str
) -> AnchorTable:
    """The anchors of one split."""
    section = experiment.recipe.anchors
    return with_bar(
        f"mining {split} anchors",
        lambda report: mine_anchors(
            corpus,
            cast("QueryNet | None", query_net),
            segment_seconds=section.segment_seconds,
            method=section.method,
            batch_size=section.batch_size,
            workers=section.workers,
            device=experiment.torch_device,
            seed=experiment.recipe.seed,
            progress=report,
        ),
    )


def truth_of(
    table: AnchorTable, corpus: Corpus, experiment: Experiment, split: str
) -> dict[str, float]:
    """How often anchors hold their class, against random ones, where the corpus knows."""
    truth = build_corpus(experiment.recipe, split)
    if not isinstance(truth, KnowsTruth):
        return {}
    mined = judge_anchors(table, truth)
    random = judge_anchors(random_anchors(table, corpus, experiment.recipe.seed), truth)
    return {
        "hit_rate": mined.hit_rate,
        "mean_overlap": mined.mean_overlap,
        "random_hit_rate": random.hit_rate,
        "random_mean_overlap": random.mean_overlap,
    }


def random_anchors(table: AnchorTable, corpus: Corpus, seed: int) -> AnchorTable:
    """The same clips and classes as `table`, at random places; without clips that became unreadable."""
    lengths: dict[int, int] = {}
    for clip in np.unique(table.clip).tolist():
        with suppress(ClipUnreadableError):
            lengths[clip] = len(corpus.clip(clip))
    readable = table.rows(np.isin(table.clip, list(lengths)))
    start = random_start(
        torch.tensor([lengths[clip] for clip in readable.clip.tolist()], dtype=torch.long),
        table.segment_samples,
        torch.Generator().manual_seed(seed),
    )
    return replace(readable, start_samples=start.numpy())
