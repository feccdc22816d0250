"""The AudioSet ontology as a graph: 632 nodes, seven roots, and 38 nodes with more than one parent.

An ambulance siren is both a vehicle's sound and an alarm, so it is found below both. For the
source and the licences of the facts see `uss_plugins.labels.audioset`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from uss_plugins.labels.audioset import rows
from uss_plugins.labels.lookup import find_in


@dataclass(frozen=True)
class OntologyNode:
    """A node of the ontology.

    class_index: index among the 527 labelled classes, or None.
    parents, children: machine ids, in the ontology's order.
    level: 1 for a root, else one more than the least level of its parents.
    restrictions: any of "abstract" (a mere heading) and "blacklist" (not to be rated by ear).
    """

    machine_id: str
    name: str
    class_index: int | None
    parents: tuple[str, ...]
    children: tuple[str, ...]
    level: int
    restrictions: tuple[str, ...]


@functools.cache
def nodes() -> dict[str, OntologyNode]:
    """Machine id -> node, in the ontology's order. Treat it as read-only: it is shared."""
    children = {row["machine_id"]: tuple(row["children"].split()) for row in rows()}
    parents: dict[str, list[str]] = {machine_id: [] for machine_id in children}
    for parent, below in children.items():
        for child in below:
            parents[child].append(parent)
    levels = _levels(children, [one for one, above in parents.items() if not above])
    return {
        row["machine_id"]: OntologyNode(
            machine_id=row["machine_id"],
            name=row["name"],
            class_index=int(row["class_index"]) if row["class_index"] else None,
            parents=tuple(parents[row["machine_id"]]),
            children=children[row["machine_id"]],
            level=levels[row["machine_id"]],
            restrictions=tuple(row["restrictions"].split()),
        )
        for row in rows()
    }


def _levels(children: dict[str, tuple[str, ...]], roots: list[str]) -> dict[str, int]:
    """Breadth first, so that a node gets the least level of all the ways to it."""
    levels = dict.fromkeys(roots, 1)
    queue = list(roots)
    for machine_id in queue:  # grows while it is walked
        for child in children[machine_id]:
            if child not in levels:
                levels[child] = levels[machine_id] + 1
                queue.append(child)
    return levels


def find_node(text: str) -> OntologyNode:
    """The node with that name or machine id, in any case.

    Raises:
        UnknownClassError: there is no such node; the message names the nearest.
    """
    known = tuple(nodes().values())
    names = [node.name for node in known]
    return known[find_in(names, [node.machine_id for node in known], text)]


def at_level(level: int) -> tuple[OntologyNode, ...]:
    """The nodes of one level, in the ontology's order; the roots are level 1."""
    return tuple(node for node in nodes().values() if node.level == level)


@functools.cache
def descendants(machine_id: str) -> tuple[str, ...]:
    """Machine ids of all nodes below one, each once, in the order of a walk from it."""
    found: dict[str, None] = {}
    for child in nodes()[machine_id].children:
        found[child] = None
        found.update(dict.fromkeys(descendants(child)))
    return tuple(found)


def classes_at_or_below(machine_id: str) -> tuple[int, ...]:
    """Indices of the labelled classes at a node or anywhere below it, ascending."""
    indices = (nodes()[one].class_index for one in (machine_id, *descendants(machine_id)))
    return tuple(sorted(index for index in indices if index is not None))
