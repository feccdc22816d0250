"""An experiment: a recipe that is run in a folder, and what its stages share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from registry.contracts import Corpus
from uss_plugins.compose import build_corpus
from uss_plugins.corpora.cache import CachedCorpus
from uss_plugins.files import write_text
from uss_plugins.recipe import Recipe
from uss_plugins.training.devices import Devices
from uss_plugins.training.progress import make_progress
from uss_plugins.versions import versions

T = TypeVar("T")


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

    @property
    def anchor_folder(self) -> Path:
        """Where mining leaves its anchors."""
        return self.shared / "anchors"

    @property
    def model_folder(self) -> Path:
        """Where stage 2 leaves the trained model."""
        return self.folder / "model"


def jobs() -> int:
    """Processes worth starting on this machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def with_bar(description: str, work: Callable[[Callable[[int, int], None]], T]) -> T:
    """Do `work`, which reports (done, total), under a progress bar."""
    with make_progress() as bar:
        task = bar.add_task(description, total=None, visible=False)
        return work(lambda done, total: bar.update(task, completed=done, total=total, visible=True))


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Leave what a finished stage has to tell."""
    write_text(path, json.dumps(figures, indent=1))


def read_json(path: Path) -> dict[str, Any]:
    """What a finished stage left."""
    return cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
