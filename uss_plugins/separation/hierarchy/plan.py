"""What will be separated: which nodes, where each is active, and which of them share an estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uss_plugins.separation.hierarchy.detection import Heard
from uss_plugins.separation.hierarchy.nodes import Node, ancestors, choose_nodes, model_nodes
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.outputs import Place
from uss_plugins.separation.queries import DETECTION_THRESHOLD


@dataclass(frozen=True)
class Selection:
    """What a person asks of the ontology.

    levels: all nodes of these; names: nodes by name, id or class index, which get a file even if never heard.
    threshold: a node is active in a segment where one of its classes is at least so probable.
    top: of each level keep so many nodes, those with the most probability over time, and named ones.
    min_seconds: a node's activity that is shorter is dropped.
    first_parent: every node below its first parent only, as the released system has it.
    """

    levels: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    threshold: float = DETECTION_THRESHOLD
    top: int | None = None
    min_seconds: float = 0.0
    first_parent: bool = False


@dataclass(frozen=True)
class Span:
    """Activity without a break: seconds, and the largest probability within."""

    start_seconds: float
    end_seconds: float
    probability: float


@dataclass(frozen=True)
class PlannedNode:
    """A node of the plan.

    output: its name among the recording's outputs; None where it is here only as an ancestor.
    probabilities: (segments,), the largest of its classes.
    active: (segments,) bool.
    """

    node: Node
    output: str | None
    probabilities: NDArray[np.float32]
    active: NDArray[np.bool_]

    def spans(self, heard: Heard) -> list[Span]:
        """Where it is active."""
        return [
            Span(
                float(heard.starts[first]),
                float(heard.ends[last]),
                float(self.probabilities[first : last + 1].max()),
            )
            for first, last in runs(self.active)
        ]


@dataclass(frozen=True)
class Plan:
    """The separation of one recording by the ontology.

    nodes: those that get a file, and all their ancestors, in the ontology's order.
    """

    heard: Heard
    selection: Selection
    nodes: tuple[PlannedNode, ...]

    @cached_property
    def outputs(self) -> dict[str, PlannedNode]:
        """Output -> its node."""
        return {one.output: one for one in self.nodes if one.output is not None}

    @property
    def places(self) -> dict[str, Place]:
        """Output -> folder and name: `level=N` and the node's name."""
        return {
            output: Place(f"level={one.node.level}", one.node.name)
            for output, one in self.outputs.items()
        }

    def sources(self, segment: int) -> dict[str, PlannedNode]:
        """Active output of a segment -> the node whose condition it is separated with.

        That is the node's own, or the narrowest node's within it that has the same active classes: an only
        child's, for one. What is heard is the same, so it is computed once.
        """
        loud = self.heard.probabilities[segment] >= self.selection.threshold
        active = [(output, one) for output, one in self.outputs.items() if one.active[segment]]
        active.sort(key=lambda pair: len(pair[1].node.classes))
        narrowest: dict[bytes, list[PlannedNode]] = {}
        chosen: dict[str, PlannedNode] = {}
        for output, one in active:
            own = np.array(one.node.classes)
            known = narrowest.setdefault(own[loud[own]].tobytes(), [])
            within = (other for other in known if set(other.node.classes) <= set(one.node.classes))
            chosen[output] = next(within, one)
            if chosen[output] is one:
                known.append(one)
        return chosen

    def estimate_counts(self) -> list[int]:
        """How many estimates each segment needs, for each group of channels."""
        return [
            len({id(source) for source in self.sources(segment).values()})
            for segment in range(len(self.heard.starts))
        ]


def make_plan(model: UniversalSeparator, heard: Heard, selection: Selection) -> Plan:
    """Choose nodes by what was heard.

    Raises:
        UserError: a level or a name that the model has no node for.
    """
    nodes = nodes_of(model, selection)
    named = {node.id for node in choose_nodes(nodes, (), selection.names)}
    chosen: list[PlannedNode] = []
    taken: set[str] = set()
    for node in choose_nodes(nodes, selection.levels, selection.names):
        planned = _plan_node(node, heard, selection, selection.min_seconds, _output(node, taken))
        if planned.active.any() or node.id in named:
            chosen.append(planned)
    if selection.top is not None:
        chosen = _most_heard(chosen, heard, selection.top, named)
    kept = {one.node.id: one for one in chosen}
    above = set().union(*(ancestors(nodes, node_id) for node_id in kept)) - set(kept)
    rest = {node_id: _plan_node(nodes[node_id], heard, selection, 0.0, None) for node_id in above}
    both = {**kept, **rest}
    return Plan(heard, selection, tuple(both[node_id] for node_id in nodes if node_id in both))


def check_selection(model: UniversalSeparator, selection: Selection) -> None:
    """Raises what `make_plan` would raise for any recording."""
    choose_nodes(nodes_of(model, selection), selection.levels, selection.names)


def nodes_of(model: UniversalSeparator, selection: Selection) -> dict[str, Node]:
    """The model's nodes; without classes that its bank does not know, where conditions come from there."""
    usable: Sequence[int] | None = None
    if not model.class_indexed:
        usable = model.query_bank.any(1).nonzero()[:, 0].tolist()
    return model_nodes(
        model.class_names,
        model.class_ids,
        usable=usable,
        first_parent=selection.first_parent,
    )


def runs(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False])).astype(np.int8)))
    return [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]


def _plan_node(
    node: Node, heard: Heard, selection: Selection, min_seconds: float, output: str | None
) -> PlannedNode:
    probabilities = heard.probabilities[:, list(node.classes)].max(axis=1)
    active = heard.sounding & (probabilities >= selection.threshold)
    for first, last in runs(active):
        if heard.ends[last] - heard.starts[first] < min_seconds:
            active[first : last + 1] = False
    return PlannedNode(node, output, probabilities, active)


def _output(node: Node, taken: set[str]) -> str:
    """A name for a node's output that no other has; names of nodes may repeat, ids do not."""
    output = f"level={node.level}/{node.name}"
    if output in taken:
        output += f" [{node.id}]"
    taken.add(output)
    return output


def _most_heard(
    chosen: Sequence[PlannedNode], heard: Heard, top: int, named: set[str]
) -> list[PlannedNode]:
    """The `top` nodes of each level by probability times seconds of activity, and the named ones."""
    seconds = heard.ends - heard.starts
    ranked = sorted(chosen, key=lambda one: -float((one.probabilities * one.active) @ seconds))
    places: dict[int, int] = {}
    kept: set[str] = set(named)
    for one in ranked:
        place = places.setdefault(one.node.level, 0)
        if one.node.id not in named and place < top:
            kept.add(one.node.id)
            places[one.node.level] += 1
    return [one for one in chosen if one.node.id in kept]
