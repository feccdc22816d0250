"""The nodes of the ontology as one model knows them: with its own classes at or below each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.errors import UserError, nearest
from uss_plugins.labels import ontology
from uss_plugins.labels.lookup import UnknownClassError, find_in


@dataclass(frozen=True)
class Node:
    """A node with at least one class of the model at or below it.

    id: machine id; of a class outside AudioSet's ontology the model's own id.
    level: 1 for a root; with several parents, by the shortest way.
    parents: ids of the nodes right above.
    classes: indices of the model's classes at or below it, ascending.
    """

    id: str
    name: str
    level: int
    parents: tuple[str, ...]
    classes: tuple[int, ...]


def model_nodes(
    class_names: Sequence[str],
    class_ids: Sequence[str],
    *,
    usable: Iterable[int] | None = None,
    first_parent: bool = False,
) -> dict[str, Node]:
    """Id -> node, of all nodes that hold classes of a model, in the ontology's order.

    A class is found in AudioSet's ontology by its machine id, else by its name. One that is not there
    is a node of level 1 by itself.

    Args:
        class_names, class_ids: of the model, in order.
        usable: indices of the classes that may be asked for; None for all.
        first_parent: put every node below its first parent only, as the released system does.
    """
    known = ontology.nodes(first_parent)
    id_of_name = {node.name.casefold(): machine_id for machine_id, node in known.items()}
    held: dict[str, set[int]] = {}
    strangers: dict[str, Node] = {}
    for index in range(len(class_names)) if usable is None else sorted(usable):
        name, own_id = class_names[index], class_ids[index]
        place = own_id if own_id in known else id_of_name.get(name.casefold())
        if place is None:
            unique = own_id if own_id not in strangers else f"{own_id}#{index}"
            strangers[unique] = Node(unique, name, 1, (), (index,))
            continue
        for one in _with_ancestors(place, known):
            held.setdefault(one, set()).add(index)
    found = {
        machine_id: Node(
            machine_id, node.name, node.level, node.parents, tuple(sorted(held[machine_id]))
        )
        for machine_id, node in known.items()
        if machine_id in held
    }
    return {**found, **strangers}


def choose_nodes(
    nodes: Mapping[str, Node], levels: Sequence[int] = (), names: Sequence[str] = ()
) -> list[Node]:
    """The nodes of some levels, and those named; in the order of `nodes`, each once.

    Raises:
        UserError: a level without nodes; a name, id or class index that no node has.
    """
    deepest = max((node.level for node in nodes.values()), default=0)
    for level in levels:
        if not any(node.level == level for node in nodes.values()):
            raise UserError(
                f"level {level}: the model's classes have no node there; choose from 1 to {deepest}"
            )
    named = {find_model_node(nodes, name).id for name in names}
    return [node for node in nodes.values() if node.level in levels or node.id in named]


def find_model_node(nodes: Mapping[str, Node], text: str) -> Node:
    """The node that `text` means: its name, its id, or the index of one of the model's classes.

    Raises:
        UnknownClassError: none, with the nearest names; or one with none of the model's classes below it.
    """
    known = list(nodes.values())
    names = [node.name for node in known]
    if text.strip().isdecimal() and text.strip() not in names:
        holding = [node for node in known if int(text) in node.classes]
        if not holding:
            raise UnknownClassError(
                f"no class {text.strip()!r}: the model has no class of that index"
            )
        return min(holding, key=lambda node: (len(node.classes), -node.level))
    try:
        return known[find_in(names, [node.id for node in known], text)]
    except UnknownClassError as error:
        try:
            elsewhere = ontology.find_node(text)
        except UnknownClassError:
            raise UnknownClassError(str(error).replace("no class", "no node", 1)) from None
        raise UnknownClassError(
            f"node {elsewhere.name!r}: the model has no class at or below it;"
            f" {nearest(elsewhere.name, names)}"
        ) from None


def ancestors(nodes: Mapping[str, Node], node_id: str) -> set[str]:
    """Ids of all nodes above one, by every way."""
    above: set[str] = set()
    for parent in nodes[node_id].parents:
        above |= {parent} | ancestors(nodes, parent)
    return above


def _with_ancestors(machine_id: str, known: Mapping[str, ontology.OntologyNode]) -> set[str]:
    found = {machine_id}
    for parent in known[machine_id].parents:
        found |= _with_ancestors(parent, known)
    return found
