"""Builds what a recipe names, and has its parts agree before any audio is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from registry import load_plugins
from registry.contracts import COMPOSED_PARAMETERS, Corpus, QueryNet
from uss_plugins.recipe import Component, NetSection, Recipe
from uss_plugins.separation.model import UniversalSeparator


def build_component(kind: str, component: Component, known: dict[str, Any]) -> Any:
    """Build a component; `known` fills the composed parameters that its factory takes and nobody gave.

    None is filled in too: it says that the neighbour has no such thing, and the component knows the remedy.
    """
    plugins = load_plugins()
    declared = {parameter.name for parameter in plugins.parameters(kind, component.name)}
    fillable = declared.intersection(COMPOSED_PARAMETERS[kind])
    filled = {name: known[name] for name in fillable if name in known}
    return plugins.build(kind, component.name, **{**filled, **component.parameters})


def build_corpus(recipe: Recipe, split: str) -> Corpus:
    """The corpus of a recipe, one split of it: "train", "valid" or "test"."""
    parameters = recipe.corpus.split_parameters(split)
    return cast(Corpus, load_plugins().build("corpus", recipe.corpus.name, **parameters))


def settle_sample_rate(recipe: Recipe, sample_rate: int) -> Recipe:
    """The recipe with the corpus's rate (Hz) written into its nets that stage 1 trains and that say none.

    So a saved recipe builds the same model without its corpus.
    """
    settled = {"query_net": settle_net(recipe.query_net, sample_rate)}
    if recipe.detector is not None and recipe.detector.weights is None:
        settled["detector"] = settle_net(recipe.detector, sample_rate)
    return recipe.model_copy(update=settled)


def settle_net(net: NetSection, sample_rate: int) -> NetSection:
    """The section of a net with a rate in it, if its factory takes one and the section has none.

    Weights of another toolkit decide the rate themselves.
    """
    if net.has_foreign_weights:
        return net
    taken = {parameter.name for parameter in load_plugins().parameters("query_net", net.name)}
    if "sample_rate" not in taken or "sample_rate" in net.parameters:
        return net
    return NetSection.model_validate({**net.model_dump(), "sample_rate": sample_rate})


def build_query_net(
    recipe: Recipe, class_names: Sequence[str], files: Path | None = None
) -> QueryNet:
    """The query net of a recipe, for a corpus's classes.

    files: a folder with what the net was built from, where it was saved (`registry.contracts.KeepsFiles`).
    """
    known: dict[str, Any] = {"class_names": tuple(class_names)}
    if files is not None:
        known["files"] = files
    return cast(QueryNet, build_component("query_net", recipe.query_net, known))


def build_model(
    recipe: Recipe,
    class_names: Sequence[str],
    class_ids: Sequence[str],
    query_net_files: Path | None = None,
) -> UniversalSeparator:
    """The composed model of a recipe, with fresh weights; for `query_net_files` see `build_query_net`.

    Raises:
        UserError: a component's parameters are wrong, or two components disagree.
    """
    query_net = build_query_net(recipe, class_names, query_net_files)
    known: dict[str, Any] = {
        "class_count": len(query_net.class_names) or None,
        "embedding_size": query_net.embedding_size,
        "sample_rate": query_net.sample_rate,
    }
    embedding = build_component("embedding", recipe.embedding, known)
    known["condition_size"] = embedding.condition_size
    separator = build_component("separator", recipe.separator, known)
    return UniversalSeparator(
        query_net,
        embedding,
        separator,
        class_names=class_names,
        class_ids=class_ids,
        freeze_query_net=not recipe.training.train_query_net,
    )
