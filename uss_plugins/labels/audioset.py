"""The 527 classes of AudioSet, in the order of their indices.

The table `audioset.tsv` beside this file joins the AudioSet ontology and the class indices. Both
are Google's: Gemmeke et al., "Audio Set: An ontology and human-labeled dataset for audio events",
ICASSP 2017; the ontology under CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/), the
indices under CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). Descriptions are left out;
nothing else was changed.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

from uss_plugins.labels.lookup import find_in


@dataclass(frozen=True)
class AudioSetClass:
    """One labelled class: its index in 0..526, Freebase machine id and display name."""

    index: int
    machine_id: str
    name: str


@functools.cache
def rows() -> tuple[dict[str, str], ...]:
    """The table's 632 rows, in the ontology's order, keyed by the table's column names."""
    table = resources.files("uss_plugins.labels").joinpath("audioset.tsv")
    lines = table.read_text(encoding="utf-8").splitlines()
    data = (line for line in lines if not line.startswith("#"))
    return tuple(csv.DictReader(data, delimiter="\t", quoting=csv.QUOTE_NONE))


@functools.cache
def classes() -> tuple[AudioSetClass, ...]:
    """The 527 labelled classes; the position of each is its index."""
    labelled = (
        AudioSetClass(int(row["class_index"]), row["machine_id"], row["name"])
        for row in rows()
        if row["class_index"]
    )
    return tuple(sorted(labelled, key=lambda one: one.index))


def find_class(text: str | int) -> AudioSetClass:
    """The class with that name, machine id or index, in any case; see `lookup.find_in`.

    Raises:
        UnknownClassError: there is no such class; the message names the nearest.
    """
    known = classes()
    names = [one.name for one in known]
    return known[find_in(names, [one.machine_id for one in known], str(text))]
