"""AudioSet's levels as the released system has them: every node below its first parent only."""

from __future__ import annotations

import json
from pathlib import Path

from uss_plugins.labels.ontology import at_level, classes_at_or_below, nodes

STORED = json.loads((Path(__file__).parent / "data" / "ontology_levels.json").read_text())


def test_each_level_has_the_released_nodes_and_their_classes() -> None:
    made = {
        str(level): {
            node.machine_id: list(classes_at_or_below(node.machine_id, first_parent=True))
            for node in at_level(level, first_parent=True)
        }
        for level in range(1, 1 + max(node.level for node in nodes(first_parent=True).values()))
    }
    assert made == STORED


def test_the_graph_keeps_what_the_released_tree_loses() -> None:
    lost = {
        node.machine_id: set(node.parents[1:]) for node in nodes().values() if len(node.parents) > 1
    }
    assert len(lost) == 38
    tree = nodes(first_parent=True)
    for child, parents in lost.items():
        assert len(tree[child].parents) == 1
        for parent in parents:
            assert child in nodes()[parent].children
            assert child not in tree[parent].children
            whole = set(classes_at_or_below(parent))
            assert whole >= set(classes_at_or_below(child))
