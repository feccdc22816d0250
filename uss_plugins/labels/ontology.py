"""The AudioSet ontology as a graph: 632 nodes, seven roots, and 38 nodes with more than one parent.

An ambulance siren is both a vehicle's sound and an alarm, so it is found below both. The released system of
the paper makes a tree of it, in which every node is below the first of its parents only;
`first_parent=True` gives that tree and its levels. For the source and the licences of the facts see
`uss_plugins.labels.audioset`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from uss_plugins.labels.audioset import classes, rows
from uss_plugins.labels.lookup import UnknownClassError, find_in


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
def nodes(first_parent: bool = False) -> dict[str, OntologyNode]:
    """Machine id -> node, in the ontology's order. Treat it as read-only: it is shared.

    Args:
        first_parent: keep only the first parent of each node, as the released system does.
    """
    children = {row["machine_id"]: row["children"].split() for row in rows()}
    parents: dict[str, list[str]] = {machine_id: [] for machine_id in children}
    for parent, below in children.items():
        for child in below:
            parents[child].append(parent)
    if first_parent:
        parents = {child: above[:1] for child, above in parents.items()}
        children = {
            parent: [child for child in below if parent in parents[child]]
            for parent, below in children.items()
        }
    levels = _levels(children, [one for one, above in parents.items() if not above])
    return {
        row["machine_id"]: OntologyNode(
            machine_id=row["machine_id"],
            name=row["name"],
            class_index=int(row["class_index"]) if row["class_index"] else None,
            parents=tuple(parents[row["machine_id"]]),
            children=tuple(children[row["machine_id"]]),
            level=levels[row["machine_id"]],
            restrictions=tuple(row["restrictions"].split()),
        )
        for row in rows()
    }


def _levels(children: dict[str, list[str]], roots: list[str]) -> dict[str, int]:
    """Breadth first, so that a node gets the least level of all the ways to it."""
    levels = dict.fromkeys(roots, 1)
    queue = list(roots)
    for machine_id in queue:  # grows while it is walked
        for child in children[machine_id]:
            if child not in levels:
                levels[child] = levels[machine_id] + 1
                queue.append(child)
    return levels


def find_node(text: str | int) -> OntologyNode:
    """The node with that name, machine id or class index, in any case.

    Raises:
        UnknownClassError: there is no such node; the message names the nearest.
    """
    text = str(text)
    if text.strip().isdecimal():
        if int(text) >= len(classes()):
            raise UnknownClassError(f"no class {text!r}: indices go from 0 to {len(classes()) - 1}")
        return nodes()[classes()[int(text)].machine_id]
    known = tuple(nodes().values())
    names = [node.name for node in known]
    return known[find_in(names, [node.machine_id for node in known], text)]


def at_level(level: int, first_parent: bool = False) -> tuple[OntologyNode, ...]:
    """The nodes of one level, in the ontology's order; the roots are level 1."""
    return tuple(node for node in nodes(first_parent).values() if node.level == level)


@functools.cache
def descendants(machine_id: str, first_parent: bool = False) -> tuple[str, ...]:
    """Machine ids of all nodes below one, each once, in the order of a walk from it."""
    found: dict[str, None] = {}
    for child in nodes(first_parent)[machine_id].children:
        found[child] = None
        found.update(dict.fromkeys(descendants(child, first_parent)))
    return tuple(found)


def classes_at_or_below(machine_id: str, first_parent: bool = False) -> tuple[int, ...]:
    """Indices of the labelled classes at a node or anywhere below it, ascending."""
    known = nodes(first_parent)
    indices = (
        known[one].class_index for one in (machine_id, *descendants(machine_id, first_parent))
    )
    return tuple(sorted(index for index in indices if index is not None))
