"""The pieces of work that make a grid: what the cells share, made once, and the cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from uss_plugins.benchmarking.grid import Budget
from uss_plugins.benchmarking.identity import cell_folder, mixture_folder, shared_folder
from uss_plugins.benchmarking.plan import Cell, Plan, name_of
from uss_plugins.benchmarking.results import Kind
from uss_plugins.recipe import Recipe
from uss_plugins.training.experiment import Experiment
from uss_plugins.training.pretrained import has_tagger
from uss_plugins.training.unchanged import ANCHORS, TAGGER

SHARED, CELLS = "shared", "cells"


@dataclass(frozen=True)
class GridExperiment(Experiment):
    """A cell as an experiment, whose tagger and anchors are shared with the cells that need the same."""

    @property
    def tagger_folder(self) -> Path:
        """As in any experiment; of several taggers, the one that fits the recipe."""
        tagger = self.recipe.of_tagger()
        return tagger.query_net.weights or self.shared / "taggers" / shared_folder(tagger, TAGGER)

    @property
    def anchor_folder(self) -> Path:
        """Where mining leaves the anchors that fit the recipe."""
        segments = self.recipe.evaluation.segments  # says whether those of the test split are there
        return self.shared / "anchors" / shared_folder(self.recipe.of_tagger(), ANCHORS, segments)


@dataclass(frozen=True)
class Work:
    """What one process does.

    folder: its own, where its outcome, its log and what it makes are kept.
    needs: folders of work that must have ended well before.
    mixtures: folder of the evaluation mixtures. anchors: of the test split, which the mixtures are made of
        where their segments are mined.
    example_class: see `Grid`.
    """

    kind: Kind
    name: str
    folder: Path
    recipe: Recipe
    shared: Path
    budget: Budget
    mixtures: Path
    needs: tuple[Path, ...] = ()
    anchors: Path | None = None
    example_class: str | None = None


def phases_of(plan: Plan, exp_dir: Path) -> list[list[Work]]:
    """All work of a plan in phases; a phase needs only what earlier ones made. Shared work is there once.

    The phases: the corpus's cache, taggers, anchors, evaluation mixtures, cells.
    """
    maker = WorkMaker(plan, exp_dir)
    made = [maker.of_cell(cell) for cell in plan.cells]
    shared = [
        once(work for works in made for work in works if work.kind == kind)
        for kind in ("tagger", "anchors", "mixtures")
    ]
    return [maker.of_corpus(), *shared, [works[-1] for works in made]]


class WorkMaker:
    """Makes the work of a plan's cells.

    Mined evaluation segments are those of the anchors of the first cell that has any, for all such cells: so
    all hear the same.
    """

    def __init__(self, plan: Plan, exp_dir: Path) -> None:
        self.plan, self.exp_dir, self.shared = plan, exp_dir, exp_dir / SHARED
        recipes = [cell.recipe for cell in plan.cells]
        self.corpus_recipe, self.has_cache = recipes[0], recipes[0].corpus.cache
        judging = [recipe for recipe in recipes if recipe.evaluation.segments == "mined"]
        self.judging_anchors = self.experiment(judging[0]).anchor_folder if judging else None

    def experiment(self, recipe: Recipe) -> GridExperiment:
        """A recipe in the grid's folder."""
        return GridExperiment(recipe, self.exp_dir, self.shared)

    def of_corpus(self) -> list[Work]:
        """The work that fills the cache, if there is one."""
        if not self.has_cache:
            return []
        return [self.work("corpus", "corpus", self.shared / "corpus", self.corpus_recipe)]

    def of_cell(self, cell: Cell) -> list[Work]:
        """All that a cell needs, in order, itself at the end."""
        recipe, net = cell.recipe, cell.labels["query_net"]
        experiment, tagger = self.experiment(recipe), recipe.of_tagger().query_net
        works = []
        if tagger.weights is None and has_tagger(recipe):
            works.append(self.work("tagger", f"tagger of {net}", experiment.tagger_folder, recipe))
        made = [work.folder for work in works]
        anchors = self.work("anchors", f"anchors of {net}", experiment.anchor_folder, recipe, *made)
        judged_by = (anchors.anchors.parent,) if anchors.anchors else ()
        mixed = self.work("mixtures", "evaluation mixtures", anchors.mixtures, recipe, *judged_by)
        folder = self.exp_dir / CELLS / cell_folder(cell, self.plan.budget, mixed.folder.name)
        needs = (*made, anchors.folder, mixed.folder)
        own = self.work("cell", name_of(cell.labels), folder, recipe, *needs)
        return [*works, anchors, mixed, own]

    def work(self, kind: Kind, name: str, folder: Path, recipe: Recipe, *needs: Path) -> Work:
        """A piece of work, which needs the corpus's cache, too."""
        mined = self.judging_anchors if recipe.evaluation.segments == "mined" else None
        cached = self.has_cache and kind != "corpus"
        return Work(
            kind,
            name,
            folder,
            recipe,
            self.shared,
            self.plan.budget,
            mixtures=self.shared / "mixtures" / mixture_folder(recipe, mined),
            needs=(*((self.shared / "corpus",) if cached else ()), *needs),
            anchors=mined / "test.npz" if mined else None,
            example_class=self.plan.grid.example_class,
        )


def once(works: Iterable[Work]) -> list[Work]:
    """The works with different folders, in order."""
    found: dict[Path, Work] = {}
    for work in works:
        found.setdefault(work.folder, work)
    return list(found.values())
