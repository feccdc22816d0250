"""The synthetic recipe's grid: what it plans, and that its committed results are of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from uss_plugins.benchmarking.grid import load_grid
from uss_plugins.benchmarking.plan import Plan, plan_grid
from uss_plugins.benchmarking.results import read_grid_results

RECIPE = Path(__file__).parents[2] / "recipes" / "synthetic"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_grid(load_grid(RECIPE / "grid.yaml"))


def labels_of(labels: Mapping[str, str]) -> tuple[str, str, str]:
    """Labels without their axes."""
    return labels["query_net"], labels["embedding"], labels["separator"]


def test_four_embeddings_five_separators_and_two_query_nets_are_combined(plan: Plan) -> None:
    axes = {axis: len(options) for axis, options in plan.grid.axes.items()}
    assert axes.keys() == {"query_net", "embedding", "separator"}
    assert axes["query_net"] >= 2
    assert axes["embedding"] >= 4
    assert axes["separator"] >= 5
    combined = {labels_of(one.labels) for one in (*plan.cells, *plan.impossible)}
    assert len(combined) == axes["query_net"] * axes["embedding"] * axes["separator"]


def test_only_class_conditions_of_a_net_without_classes_are_impossible(plan: Plan) -> None:
    impossible = {labels_of(one.labels): one.reason for one in plan.impossible}
    separators = [option.label for option in plan.grid.axes["separator"]]
    assert set(impossible) == {
        ("speechbrain_ecapa", embedding, separator)
        for embedding in ("hard", "soft")
        for separator in separators
    }
    assert all("the query net has no classes" in reason for reason in impossible.values())


def test_the_committed_results_are_of_this_grid(plan: Plan) -> None:
    results = read_grid_results(RECIPE / "results" / "grid.json")
    assert results.budget == plan.budget
    states = {labels_of(row.labels): row.state for row in results.rows}
    assert states == {
        **{labels_of(one.labels): "done" for one in plan.cells},
        **{labels_of(one.labels): "impossible" for one in plan.impossible},
    }
    assert results.axes == {
        axis: tuple(option.label for option in options) for axis, options in plan.grid.axes.items()
    }
