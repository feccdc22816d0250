"""Every registered component, built-in or anyone's, from a HyperPyYAML file by `!new:`.

    separator: !new:uss_plugins.bridges.hyperpyyaml.Separator
        name: resunet_small
        condition_size: !ref <condition_size>
        sample_rate: !ref <sample_rate>

`!new:` wants a class, so there is one for each kind: what it makes is the component itself, its parameters
checked as in a recipe. Components that are classes, such as `uss_plugins.separators.resunet.ResUNet`, can be
named directly as well; but what these make remembers how, so that `save` can write a model folder of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from registry import load_plugins
from registry.errors import UserError

SECTION = "recipe_section"
"""Attribute of what is built here: its section of a recipe."""


class QueryNet:
    """Makes the query net called `name`."""

    def __new__(cls, name: str, **parameters: Any) -> Any:
        """The query net itself."""
        return built("query_net", name, parameters)


class Embedding:
    """Makes the embedding strategy called `name`."""

    def __new__(cls, name: str, **parameters: Any) -> Any:
        """The embedding strategy itself."""
        return built("embedding", name, parameters)


class Separator:
    """Makes the separator called `name`."""

    def __new__(cls, name: str, **parameters: Any) -> Any:
        """The separator itself."""
        return built("separator", name, parameters)


class Corpus:
    """Makes the corpus called `name`."""

    def __new__(cls, name: str, **parameters: Any) -> Any:
        """The corpus itself."""
        return built("corpus", name, parameters)


class Model:
    """Composes a `UniversalSeparator` for the classes of a corpus."""

    def __new__(
        cls,
        query_net: Any,
        embedding: Any,
        separator: Any,
        corpus: Any,
        freeze_query_net: bool = True,
    ) -> Any:
        """The model itself, a `torch.nn.Module`.

        Raises:
            UserError: two components that do not fit each other.
        """
        from uss_plugins.separation.model import UniversalSeparator

        return UniversalSeparator(
            query_net,
            embedding,
            separator,
            class_names=corpus.class_names,
            class_ids=corpus.class_ids,
            freeze_query_net=freeze_query_net,
        )


def built(kind: str, name: str, parameters: dict[str, Any]) -> Any:
    """A component that remembers its section of a recipe.

    Raises:
        UserError: there is none of that name, or it does not take these parameters.
    """
    component = load_plugins().build(kind, name, **parameters)
    object.__setattr__(component, SECTION, {"name": name, **parameters})
    return component


def save(model: Any, folder: str | Path, *, corpus: Any, steps: int) -> None:
    """Write the model folder of a `UniversalSeparator`, as training with a recipe leaves one.

    corpus: what it was trained on. steps: how many it took.

    Raises:
        UserError: a part was not built by this module.
    """
    from uss_plugins.recipe import parse_recipe
    from uss_plugins.separation.folder import save_model

    parts = {
        "corpus": corpus,
        "query_net": model.query_net,
        "embedding": model.embedding,
        "separator": model.separator,
    }
    for kind, part in parts.items():
        if not hasattr(part, SECTION):
            raise UserError(
                f"{kind} {type(part).__name__}: how it was built is not known; build it by"
                " !new:uss_plugins.bridges.hyperpyyaml, which remembers"
            )
    sections = {kind: dict(getattr(part, SECTION)) for kind, part in parts.items()}
    sections["corpus"].pop("split", None)
    training = {
        "steps": steps,
        "validate_every": steps,
        "train_query_net": not model.freeze_query_net,
    }
    recipe = parse_recipe({**sections, "training": training}, "the model")
    save_model(model, Path(folder), recipe)
