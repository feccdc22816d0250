"""The stages of a recipe: tagger, anchors, separator. Each leaves files, and does nothing twice.

A stage's folder:

cache/                        rendered clips, where the recipe caches its corpus
tagger/                       stage 1: recipe.yaml, weights.safetensors, classes.csv, tagger.json, logs
                              (not there when the recipe gives that net's weights)
anchors/{train,valid,test}.npz, anchors.json
model/                        stage 2's result: the model folder
training.json, checkpoints/, logs/
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Sampler

from registry.contracts import ClipUnreadableError, Corpus, KnowsTruth, QueryNet
from registry.errors import UserError
from uss_plugins.compose import build_corpus, build_model, build_query_net
from uss_plugins.corpora.anchor_truth import judge_anchors
from uss_plugins.corpora.anchors import AnchorTable, cut_segment, random_start
from uss_plugins.corpora.cache import CachedCorpus
from uss_plugins.corpora.mining import mine_anchors
from uss_plugins.files import write_text
from uss_plugins.recipe import FitSection, Recipe, dump_recipe
from uss_plugins.separation.folder import (
    CLASSES,
    RECIPE,
    WEIGHTS,
    load_query_net,
    load_weights,
    save_model,
    save_weights,
    write_classes,
)
from uss_plugins.training.average_precision import mean_average_precision
from uss_plugins.training.bank import query_bank
from uss_plugins.training.batches import ClipBatches, SegmentBatches, StepSampler, loader
from uss_plugins.training.fit import Devices, fit
from uss_plugins.training.losses import find_loss
from uss_plugins.training.pretrained import check_nets
from uss_plugins.training.progress import make_progress
from uss_plugins.training.systems import SeparationSystem, StepSeededSystem, TaggerSystem
from uss_plugins.versions import versions

T = TypeVar("T")

VALIDATION_SEED = 1
"""Added to the recipe's seed for validation batches."""


@dataclass(frozen=True)
class Experiment:
    """A recipe being run in a folder.

    shared: the folder of the cache, the tagger and the anchors, which several recipes can share.
    """

    recipe: Recipe
    folder: Path
    shared: Path
    devices: Devices = field(default_factory=Devices)
    resume: bool = False

    @property
    def torch_device(self) -> torch.device:
        """Where to compute outside Lightning."""
        cuda = self.devices.accelerator in ("cuda", "gpu") or (
            self.devices.accelerator == "auto" and torch.cuda.is_available()
        )
        return torch.device("cuda" if cuda else "cpu")

    def corpus(self, split: str) -> Corpus:
        """A split of the corpus, through the cache if the recipe says so."""
        corpus = build_corpus(self.recipe, split)
        if not self.recipe.corpus.cache:
            return corpus
        key = {
            "corpus": self.recipe.corpus.name,
            "version": versions().get("uss-plugins"),
            **self.recipe.corpus.split_parameters(split),
        }
        cached = CachedCorpus(corpus, self.shared / "cache", key)
        with_bar(f"rendering {split} clips", lambda report: cached.render(jobs(), report))
        return cached

    @property
    def tagger_folder(self) -> Path:
        """Where the net is that mines the anchors: as the recipe's weights, or as stage 1 leaves it."""
        return self.recipe.of_tagger().query_net.weights or self.shared / "tagger"


def train_tagger(experiment: Experiment) -> dict[str, Any]:
    """Stage 1: train the query net as a tagger on weak labels. Returns what `tagger.json` holds.

    With a detector in the recipe, that is trained. A net whose weights are given is not: only `weights`,
    their folder, and `seconds`, 0, are returned.

    Raises:
        UserError: the recipe does not fit the corpus, or an unfinished training is there and not resumed.
    """
    recipe, section = experiment.recipe.of_tagger(), experiment.recipe.tagger
    if recipe.query_net.weights is not None:
        return {"weights": str(recipe.query_net.weights), "seconds": 0.0}
    folder = experiment.tagger_folder
    if (folder / WEIGHTS).exists():
        return read_json(folder / "tagger.json")
    if section is None:
        raise UserError(
            "the recipe has no section 'tagger' to train by; add it, or query_net.weights"
        )
    torch.manual_seed(recipe.seed)
    train, valid = experiment.corpus("train"), experiment.corpus("valid")
    query_net = cast(nn.Module, build_query_net(recipe, train.class_names))
    if not query_net.class_names:
        raise UserError(
            f"query net {recipe.query_net.name!r} tags no classes, so it cannot be trained as a tagger"
        )
    system = TaggerSystem(channels_last(query_net), section, recipe.seed)
    result = fit(
        system,
        *loaders(
            system,
            ClipBatches(train, section.batch_size, recipe.seed),
            ClipBatches(valid, section.batch_size, recipe.seed + VALIDATION_SEED),
            section,
        ),
        section,
        folder,
        description="tagger",
        monitor="val_map",
        shown={"loss": "loss {:.4f}", "val_map": "validation mAP {:.3f}"},
        devices=experiment.devices,
        resume=experiment.resume,
    )
    test = experiment.corpus("test")
    figures = {
        "test_map": average_precision_on(query_net, test, section.batch_size),
        "validation_map": result.best_score,
        "steps": section.steps,
        "seconds": round(result.seconds, 1),
        "parameters": sum(parameter.numel() for parameter in query_net.parameters()),
        "unreadable_clips": system.unreadable_count,
        "versions": versions(),
    }
    write_text(folder / "tagger.json", json.dumps(figures, indent=1))
    write_text(folder / RECIPE, dump_recipe(recipe))
    write_classes(folder / CLASSES, train.class_names, train.class_ids)
    save_weights(query_net, folder / WEIGHTS)
    return figures


def mine(experiment: Experiment) -> dict[str, Any]:
    """Stage 1b: mine the anchors of every split that is used. Returns what `anchors.json` holds."""
    folder = experiment.shared / "anchors"
    splits = ["train", "valid"]
    if experiment.recipe.evaluation.segments == "mined":
        splits.append("test")
    if (folder / "anchors.json").exists() and all((folder / f"{s}.npz").exists() for s in splits):
        return read_json(folder / "anchors.json")
    query_net = load_query_net(experiment.tagger_folder)
    figures: dict[str, Any] = {}
    for split in splits:
        corpus = experiment.corpus(split)
        table = mine_split(experiment, corpus, query_net, split)
        table.save(folder / f"{split}.npz")
        figures[split] = {"anchors": len(table), "unreadable": len(table.unreadable_clips)}
        figures[split] |= truth_of(table, corpus, experiment, split)
    write_text(folder / "anchors.json", json.dumps(figures, indent=1))
    return figures


def mine_split(
    experiment: Experiment, corpus: Corpus, query_net: nn.Module, split: str
) -> AnchorTable:
    """The anchors of one split."""
    section = experiment.recipe.anchors
    return with_bar(
        f"mining {split} anchors",
        lambda report: mine_anchors(
            corpus,
            cast(QueryNet, query_net),
            segment_seconds=section.segment_seconds,
            method=section.method,
            batch_size=section.batch_size,
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
    """The same clips and classes as `table`, at random places of the clip."""
    lengths = {clip: len(corpus.clip(clip)) for clip in np.unique(table.clip).tolist()}
    start = random_start(
        torch.tensor([lengths[clip] for clip in table.clip.tolist()]),
        table.segment_samples,
        torch.Generator().manual_seed(seed),
    )
    return replace(table, start_samples=start.numpy())


def train_separator(experiment: Experiment) -> dict[str, Any]:
    """Stage 2, after the stages before it where they are missing. Returns what `training.json` holds."""
    if (experiment.folder / "model" / WEIGHTS).exists():
        return read_json(experiment.folder / "training.json")
    experiment.folder.mkdir(parents=True, exist_ok=True)
    recipe, section = experiment.recipe, experiment.recipe.training
    loss = find_loss(section.loss)
    tagger = train_tagger(experiment)
    mine(experiment)
    train, valid = experiment.corpus("train"), experiment.corpus("valid")
    check_nets(recipe, train.class_names)
    anchors = {split: training_anchors(experiment, split) for split in ("train", "valid")}
    torch.manual_seed(recipe.seed)
    model = build_model(recipe, train.class_names, train.class_ids)
    load_weights(model.query_net, (recipe.query_net.weights or experiment.tagger_folder) / WEIGHTS)
    if recipe.separator.weights is not None:
        load_weights(model.separator, recipe.separator.weights / WEIGHTS)
    channels_last(model)
    system = SeparationSystem(model, loss, section, recipe.mixing, recipe.seed)
    result = fit(
        system,
        *loaders(
            system,
            SegmentBatches(train, anchors["train"], section.batch_size, recipe.seed),
            SegmentBatches(
                valid, anchors["valid"], section.batch_size, recipe.seed + VALIDATION_SEED
            ),
            section,
        ),
        section,
        experiment.folder,
        description="separator",
        monitor="val_sdri",
        shown={"loss": "loss {:.4f}", "val_sdri": "validation SDRi {:.2f} dB"},
        ema_decay=section.ema_decay,
        devices=experiment.devices,
        resume=experiment.resume,
    )
    model.query_bank.copy_(bank_of(experiment, model, train, anchors["train"]))
    figures = {
        "validation_sdri": result.best_score,
        "steps": section.steps,
        "seconds": round(result.seconds, 1),
        "tagger_seconds": tagger["seconds"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "missing_interferers": system.missing_interferers,
        "unreadable_segments": system.unreadable_count,
        "seed": recipe.seed,
        "versions": versions(),
    }
    write_text(experiment.folder / "training.json", json.dumps(figures, indent=1))
    save_model(model, experiment.folder / "model", recipe)
    return figures


def training_anchors(experiment: Experiment, split: str) -> AnchorTable:
    """The mined anchors of a split that the recipe trains on."""
    table = AnchorTable.load(experiment.shared / "anchors" / f"{split}.npz")
    threshold = experiment.recipe.anchors.exclusive
    return table if threshold is None else table.exclusive(threshold)


def bank_of(
    experiment: Experiment, model: nn.Module, corpus: Corpus, anchors: AnchorTable
) -> Tensor:
    """The query bank of a trained model."""
    return query_bank(
        model.to(experiment.torch_device),  # type: ignore[arg-type]
        corpus,
        anchors,
        anchors_per_class=experiment.recipe.training.bank_anchors_per_class,
        seed=experiment.recipe.seed,
    )


def loaders(
    system: StepSeededSystem, train: Any, valid: Any, section: FitSection
) -> tuple[Any, Any]:
    """The loaders of a training and of its validation."""
    steps = StepSampler(section.validate_every, lambda: system.global_step)
    return (
        loader(train, steps, section.workers),
        loader(valid, FixedSampler(section.validation_batches), 0),
    )


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


class FixedSampler(Sampler[int]):
    """Batches 0 to `count` - 1, the same in every validation."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))


def channels_last(module: nn.Module) -> nn.Module:
    """The module with its 2-d kernels laid out as convolutions run fastest; the values stay."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def jobs() -> int:
    """Processes worth starting on this machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def with_bar(description: str, work: Callable[[Callable[[int, int], None]], T]) -> T:
    """Do `work`, which reports (done, total), under a progress bar."""
    with make_progress() as bar:
        task = bar.add_task(description, total=None, visible=False)
        return work(lambda done, total: bar.update(task, completed=done, total=total, visible=True))


def read_json(path: Path) -> dict[str, Any]:
    """What a finished stage left."""
    return cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
