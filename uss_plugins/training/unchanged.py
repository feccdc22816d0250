"""Keeps a stage's folder to the recipe that it was begun with, so that results of two recipes never mix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.errors import UserError
from uss_plugins.files import write_text
from uss_plugins.recipe import Recipe, dump_recipe, load_recipe
from uss_plugins.separation.folder import RECIPE

TAGGER = ("seed", "corpus", "query_net", "tagger")
ANCHORS = (*TAGGER, "anchors")
SEPARATOR = tuple(name for name in Recipe.model_fields if name != "evaluation")

WITHOUT_EFFECT = ("corpus.cache", "tagger.workers", "anchors.workers", "training.workers")
"""Keys that say how a result is reached, not what it is."""
SHOWN = 3


def keep_recipe(
    folder: Path, recipe: Recipe, sections: tuple[str, ...], begun: bool, except_keys: str = ""
) -> None:
    """Write `recipe` into a stage's folder; if the stage has begun there, compare instead.

    sections: what of a recipe decides the stage's result, such as `TAGGER`.
    except_keys: a key of these sections that does not.

    Raises:
        UserError: the stage was begun with another recipe; the first keys that differ are named.
    """
    record = folder / RECIPE
    if not (begun and record.exists()):
        write_text(record, dump_recipe(recipe))
        return
    before, now = (flat(one, sections) for one in (load_recipe(record), recipe))
    ignored = (*WITHOUT_EFFECT, except_keys)
    changes = [
        f"{key} was {before.get(key)!r}, is {now.get(key)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key not in ignored
    ]
    if changes:
        more = f"; {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        raise UserError(
            f"{folder}: was begun with another recipe ({'; '.join(changes[:SHOWN])}{more});"
            f" give another folder, or the recipe {record}"
        )


def flat(recipe: Recipe, sections: tuple[str, ...]) -> dict[str, Any]:
    """The values of some sections by their keys, such as `training.steps`."""
    tree = recipe.model_dump(mode="json")
    values: dict[str, Any] = {}

    def collect(key: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for name, inner in value.items():
                collect(f"{key}.{name}", inner)
        else:
            values[key] = value

    for section in sections:
        collect(section, tree[section])
    return values
