"""The recipe that an imported model's folder holds."""

from __future__ import annotations

from typing import Any

from uss_plugins.compose import settle_sample_rate
from uss_plugins.recipe import NetSection, Recipe, parse_recipe
from uss_plugins.separation.importing.recognise import Contents

SAMPLE_RATE = 32000
STEPS = 1_000_000
RELEASED: dict[str, Any] = {
    # Of the data only the class list is known. Whoever trains on says where theirs is.
    "corpus": {"name": "manifest", "sample_rate": SAMPLE_RATE},
    "query_net": {"name": "cnn14"},
    "embedding": {"name": "soft"},
    "separator": {"name": "resunet30"},
    "tagger": {"steps": STEPS, "batch_size": 32},
    "mixing": {"disjoint": False},
    "training": {
        "steps": STEPS,
        "batch_size": 16,
        "schedule": {"name": "constant_warm_up", "warm_up_steps": 10_000},
    },
}
"""The paper's training; what it leaves open has this project's defaults."""


def recipe_of(contents: Contents) -> Recipe:
    """A recipe with the components of a checkpoint; a component that it lacks is the released system's."""
    found = {
        kind: component
        for kind in ("query_net", "embedding", "separator")
        if (component := getattr(contents, kind))
    }
    return settle_sample_rate(
        parse_recipe({**RELEASED, **found}, "the imported recipe"), SAMPLE_RATE
    )


def with_query_net(recipe: Recipe, name: str) -> Recipe:
    """The recipe with another query net, at the same rate."""
    query_net = NetSection(name=name)
    return settle_sample_rate(recipe.model_copy(update={"query_net": query_net}), SAMPLE_RATE)
