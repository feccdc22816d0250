"""From a grid to its cells: every combination, as a recipe that composes or with the reason why it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from registry import load_plugins
from registry.contracts import Corpus
from registry.errors import UserError, nearest
from registry.plugins import one_line
from uss_plugins.benchmarking.grid import COMPONENT_AXES, Budget, Grid
from uss_plugins.compose import build_corpus
from uss_plugins.evaluation.segments import segment_pool
from uss_plugins.recipe import Recipe, merge, parse_recipe
from uss_plugins.training.checks import checked

Labels = dict[str, str]
"""Axis -> the label of a combination on it."""


@dataclass(frozen=True)
class Cell:
    """A combination that composes. With a budget in seconds, its recipe's steps are set by a trial."""

    labels: Labels
    recipe: Recipe


@dataclass(frozen=True)
class Impossible:
    """A combination that does not compose, and why."""

    labels: Labels
    reason: str


@dataclass(frozen=True)
class Plan:
    """All combinations of a grid, in the order of its axes."""

    grid: Grid
    cells: tuple[Cell, ...]
    impossible: tuple[Impossible, ...]

    @property
    def budget(self) -> Budget:
        """What each cell may spend."""
        return self.grid.budget


def name_of(labels: Mapping[str, str]) -> str:
    """A combination for people; the labels, in the order of the axes."""
    return " · ".join(labels.values())


def plan_grid(grid: Grid) -> Plan:
    """Compose every combination, without reading any audio.

    Raises:
        UserError: the corpus is wrong, a component or a class is unknown, or nothing composes.
    """
    check_components(grid)
    cells: list[Cell] = []
    impossible: list[Impossible] = []
    corpus: Corpus | None = None
    for labels, tree in combinations(grid):
        try:
            recipe = parse_recipe(tree, "its recipe")
        except UserError as error:  # values that only together are wrong, too
            impossible.append(Impossible(labels, str(error)))
            continue
        if corpus is None:
            corpus = build_corpus(recipe, "valid")
            check_example(grid, corpus)
        try:
            if recipe.evaluation.segments == "true":
                segment_pool(corpus, recipe.evaluation, None)
            cells.append(Cell(labels, checked(recipe, corpus)))
        except Exception as error:  # a plug-in's own, too: it costs its combinations, not the grid
            impossible.append(Impossible(labels, one_line(error)))
    if not cells:
        raise UserError(
            f"{grid.path}: no combination is possible; {name_of(impossible[0].labels)}:"
            f" {impossible[0].reason}"
        )
    return Plan(grid, tuple(cells), tuple(impossible))


def combinations(grid: Grid) -> Iterator[tuple[Labels, dict[str, Any]]]:
    """Every combination: its labels, and its recipe's tree."""
    for options in product(*grid.axes.values()):
        tree: Mapping[str, Any] = grid.base
        for option in options:
            tree = merge(tree, option.changes)
        labels = {axis: option.label for axis, option in zip(grid.axes, options, strict=True)}
        yield labels, with_budget(tree, grid.budget)


def with_budget(tree: Mapping[str, Any], budget: Budget) -> dict[str, Any]:
    """A recipe's tree whose training spends the budget; of seconds, only as many steps as validations yet."""
    steps = budget.steps or budget.validations
    return merge(
        tree, {"training": {"steps": steps, "validate_every": steps // budget.validations}}
    )


def check_components(grid: Grid) -> None:
    """Refuse names that no plug-in registers, each with the nearest: they are slips, not impossible."""
    plugins, problems = load_plugins(), []
    for axis in COMPONENT_AXES:
        for option in grid.axes[axis]:
            if axis in option.changes:
                try:
                    plugins.find(axis, option.changes[axis]["name"])
                except UserError as error:
                    problems.append(str(error))
    if problems:
        raise UserError(f"{grid.path}: " + "; ".join(problems))


def check_example(grid: Grid, corpus: Corpus) -> None:
    """Refuse an `example_class` that the corpus does not have."""
    wanted = grid.example_class
    if wanted is not None and wanted not in corpus.class_names:
        raise UserError(
            f"{grid.path}: 'example_class': the corpus has no class {wanted!r};"
            f" {nearest(wanted, corpus.class_names)}"
        )
