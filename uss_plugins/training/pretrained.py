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
    else:
        if recipe.anchors.method == "largest_area" and not asked(tagger).frames_per_second:
            problems.append(
                f"{key} {tagger.name!r} tags whole clips, and largest-area anchors need frames; write"
                " anchors.method=sliding, or let a detector find them"
            )
        if tagger.weights is None and recipe.tagger is None and not tagger.brings_weights:
            problems.append(
                f"no section 'tagger' says how to train the {key}; add it, or {key}.weights"
            )
    weights = recipe.query_net.weights
    if weights is None and not recipe.query_net.brings_weights:
        problems += unweighted(recipe)
    ours = weights is not None and not recipe.query_net.has_foreign_weights
    not_foreign = ours or recipe.query_net.brings_weights
    net: object = None if not_foreign else build_net(recipe.query_net)
    if isinstance(net, LoadsPretrained):
        if weights is not None:
            net.load_pretrained(weights)
        elif not recipe.training.train_query_net and not net.class_names:
            problems.append(
                f"query_net {recipe.query_net.name!r} has no weights and is not trained; give"
                " query_net.weights, or write training.train_query_net=true"
            )
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


def unweighted(recipe: Recipe) -> list[str]:
    """What is wrong with a query net that is given no weights, if something is."""
    section = recipe.query_net
    if tags_classes(section):
        if recipe.detector is None:
            return []
        return ["stage 1 trains the detector, not the query net; give query_net.weights"]
    declared = {one.name for one in load_plugins().parameters("query_net", section.name)}
    if "pretrained" in declared and not recipe.training.train_query_net:
        return [
            f"query_net {section.name!r} has random weights, and nothing trains it; give"
            " query_net.pretrained a folder or a repository of the hub"
        ]
    return []


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
    return bool(asked(section).class_names)


def is_ready(recipe: Recipe) -> bool:
    """Whether the net that mines brings weights by its own parameters, and no stage trains it further."""
    return recipe.of_tagger().query_net.brings_weights and recipe.tagger is None


def asked(section: NetSection) -> QueryNet:
    """A query net of one class, to ask what it can do: its weights are not looked at."""
    if not section.brings_weights:
        return build_net(section)
    # What weights it brings does not matter here, and may take long to read, or to download.
    with torch.device("meta"):
        return build_net(section.model_copy(update={"pretrained": None}))


def build_net(section: NetSection) -> QueryNet:
    """A query net of one class."""
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
