"""Nets that come with their weights: where they are, and whether they are what the recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from registry import load_plugins
from registry.contracts import Corpus, LoadsPretrained, QueryNet
from registry.errors import UserError
from uss_plugins.compose import build_component
from uss_plugins.recipe import Component, NetSection, Recipe
from uss_plugins.separation.folder import SEPARATOR, WEIGHTS, load_weights, read_head
from uss_plugins.separation.model import UniversalSeparator


def check_nets(recipe: Recipe, class_names: Sequence[str]) -> None:
    """Refuse a recipe in which a net gets no weights, or weights of another net or of other classes.

    class_names: the corpus's.

    Raises:
        UserError: all that is wrong, in one line.
    """
    problems = []
    key = "query_net" if recipe.detector is None else "detector"
    tagger = recipe.of_tagger().query_net
    if not has_tagger(recipe):
        if recipe.anchors.method != "random":
            problems.append(
                f"{key} {tagger.name!r} tags no classes, so it cannot find anchors; write"
                " anchors.method=random, or let a detector find them"
            )
    elif tagger.weights is None and recipe.tagger is None:
        problems.append(
            f"no section 'tagger' says how to train the {key}; add it, or {key}.weights"
        )
    weights = recipe.query_net.weights
    if recipe.detector is not None and weights is None and tags_classes(recipe.query_net):
        problems.append("stage 1 trains the detector, not the query net; give query_net.weights")
    net: object = build_net(recipe.query_net) if recipe.query_net.has_foreign_weights else None
    if weights is not None and isinstance(net, LoadsPretrained):
        net.load_pretrained(weights)
    elif weights is not None:
        problems += disagreements("query_net", recipe.query_net, class_names)
    if recipe.detector is not None and recipe.detector.weights is not None:
        problems += disagreements("detector", recipe.detector, class_names, more_classes=True)
    weights = recipe.separator.weights
    if weights is not None and not (weights / SEPARATOR).is_file():
        problems.append(
            f"separator.weights {weights}: not a separator's folder ({SEPARATOR} is missing); give one that"
            " 'import' made"
        )
    if problems:
        raise UserError("; ".join(problems))


def check_rate(model: UniversalSeparator, corpus: Corpus) -> None:
    """Refuse a model that works at another rate than the corpus it is to be trained on."""
    if model.sample_rate != corpus.sample_rate:
        raise UserError(
            f"the model works at {model.sample_rate} Hz, the corpus at {corpus.sample_rate} Hz; give the"
            f" corpus sample_rate={model.sample_rate}"
        )


def has_tagger(recipe: Recipe) -> bool:
    """Whether the recipe has a net to find anchors with; without one they are placed at random."""
    return tags_classes(recipe.of_tagger().query_net)


def tags_classes(section: NetSection) -> bool:
    """Whether a query net tags classes, or only embeds. Only taggers leave weights in a folder of our own."""
    if section.weights is not None and not section.has_foreign_weights:
        return True
    return bool(build_net(section).class_names)


def build_net(section: NetSection) -> QueryNet:
    """A query net of one class, to ask what it can do."""
    with torch.random.fork_rng(devices=[]):
        known = {"class_names": ("any",)}
        return cast(QueryNet, build_component("query_net", section, known))


def load_given(query_net: nn.Module, section: NetSection) -> None:
    """Fill a query net with the weights that its section gives.

    Raises:
        UserError: they cannot be read, or are another net's.
    """
    assert section.weights is not None
    if section.has_foreign_weights and isinstance(query_net, LoadsPretrained):
        query_net.load_pretrained(section.weights)
    else:
        load_weights(query_net, section.weights / WEIGHTS)


def disagreements(
    key: str, section: NetSection, class_names: Sequence[str], *, more_classes: bool = False
) -> list[str]:
    """How the folder of a net's weights differs from what a recipe says of it; `key` names the section.

    more_classes: the net may know other classes beside the corpus's, and in another order.
    """
    assert section.weights is not None
    recipe, names, _ = read_head(section.weights)
    theirs, where = recipe.query_net, f"{key}.weights {section.weights}"
    if theirs.name != section.name:
        return [f"{where}: holds a {theirs.name}; write {key}.name={theirs.name}"]
    known, wanted = all_parameters(theirs), all_parameters(section)
    problems = [
        f"{where}: its {name} is {known[name]!r}, here {value!r}; write {key}.{name}={known[name]}"
        for name, value in wanted.items()
        if name != "class_names" and comparable(value) != comparable(known[name])
    ]
    missing = [name for name in class_names if name not in names]
    if missing:
        problems.append(
            f"{where}: does not know {len(missing)} of the classes, such as {missing[0]!r}"
        )
    elif not more_classes and list(names) != list(class_names):
        problems.append(f"{where}: its classes are others than the corpus's, or in another order")
    return problems


def all_parameters(component: Component) -> dict[str, Any]:
    """The parameters of a query net's factory, defaults filled in."""
    declared = load_plugins().parameters("query_net", component.name)
    return {parameter.name: parameter.default for parameter in declared} | component.parameters


def comparable(value: Any) -> Any:
    """A value in the form in which YAML's and Python's compare."""
    return list(value) if isinstance(value, tuple) else value
