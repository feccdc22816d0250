"""Nets that come with their weights: where they are, and whether they are what the recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry import load_plugins
from registry.errors import UserError
from uss_plugins.recipe import Component, NetSection, Recipe
from uss_plugins.separation.folder import SEPARATOR, read_head


def check_nets(recipe: Recipe, class_names: Sequence[str]) -> None:
    """Refuse a recipe in which a net gets no weights, or weights of another net or of other classes.

    class_names: the corpus's.

    Raises:
        UserError: all that is wrong, in one line.
    """
    problems = []
    if recipe.of_tagger().query_net.weights is None and recipe.tagger is None:
        net = "query_net" if recipe.detector is None else "detector"
        problems.append(
            f"no section 'tagger' says how to train the {net}; add it, or {net}.weights"
        )
    if recipe.detector is not None and recipe.query_net.weights is None:
        problems.append("stage 1 trains the detector, not the query net; give query_net.weights")
    if recipe.query_net.weights is not None:
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
