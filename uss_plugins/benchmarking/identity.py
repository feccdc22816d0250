"""Names of a grid's folders, with digests of what decides their results: what changes gets another folder.

What decides is what a recipe says, what its components' factories take where it says nothing, and the
versions of the distributions that the components come from. Code that changes without these is not seen.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from registry import load_plugins
from registry.parameters import read_parameters
from registry.plugins import import_factory
from uss_plugins.benchmarking.grid import Budget
from uss_plugins.benchmarking.plan import Cell
from uss_plugins.recipe import Recipe
from uss_plugins.training.unchanged import SEPARATOR, WITHOUT_EFFECT, flat

KINDS = {
    "corpus": "corpus",
    "query_net": "query_net",
    "detector": "query_net",
    "embedding": "embedding",
    "separator": "separator",
}
"""Section of a recipe -> the kind of the component that it names."""
MIXTURE_KEYS = {"pairs_per_class", "absent_per_class", "segment_seconds", "segments", "seed"}
"""What of a recipe's `evaluation` decides its mixtures."""


def shared_folder(recipe: Recipe, sections: tuple[str, ...], *more: Any) -> str:
    """The folder name of a tagger or its anchors: its net, and a digest of what decides its result."""
    values = deciding(recipe, sections)
    values.pop("anchors.exclusive", None)  # chooses among the anchors only when they are read
    return f"{recipe.query_net.name}-{digest([values, *more])}"


def mixture_folder(recipe: Recipe, anchors: Path | None) -> str:
    """The folder name of evaluation mixtures; `anchors`: the folder of what they are made of, if mined."""
    settings = recipe.evaluation.model_dump(include=MIXTURE_KEYS)
    return digest([deciding(recipe, ("corpus",)), settings, anchors.name if anchors else None])


def cell_folder(cell: Cell, budget: Budget, mixtures: str) -> str:
    """The folder name of a cell: its labels, and a digest of what decides its figures.

    mixtures: folder name of those that it is judged by.
    """
    readable = re.sub(r"[^A-Za-z0-9._=-]+", "_", "+".join(cell.labels.values()))[:100]
    values = deciding(cell.recipe, (*SEPARATOR, "evaluation"))
    return f"{readable}-{digest([values, budget.model_dump(), mixtures])}"


def deciding(recipe: Recipe, sections: tuple[str, ...]) -> dict[str, Any]:
    """What decides the result of some sections of a recipe, by key."""
    values: dict[str, Any] = {}
    plugins = load_plugins()
    for section, kind in KINDS.items():
        component = getattr(recipe, section)
        if section in sections and component is not None:
            spec = plugins.find(kind, component.name)
            values[f"{section} from"] = f"{spec.distribution} {spec.version}"
            for parameter in read_parameters(import_factory(spec)):
                values[f"{section}.{parameter.name}"] = in_words(parameter.default)
    values |= flat(recipe, sections)
    return {key: value for key, value in values.items() if key not in WITHOUT_EFFECT}


def in_words(default: Any) -> str:
    """A default of any type, in words that are the same in every process."""
    if isinstance(default, (set, frozenset)):
        return str(sorted(map(repr, default)))
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(default))


def digest(values: Any) -> str:
    """Eight hexadecimal digits that tell values from others."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
