from __future__ import annotations

import pytest

from registry.errors import UserError
from uss_plugins.labels.audioset import classes
from uss_plugins.labels.ontology import (
    at_level,
    classes_at_or_below,
    descendants,
    find_node,
    nodes,
)


def test_it_has_632_nodes_and_these_seven_roots() -> None:
    assert len(nodes()) == 632
    assert [node.name for node in at_level(1)] == [
        "Human sounds",
        "Animal",
        "Music",
        "Natural sounds",
        "Sounds of things",
        "Source-ambiguous sounds",
        "Channel, environment and background",
    ]


def test_parents_and_children_mirror_each_other() -> None:
    pairs = {(node.machine_id, child) for node in nodes().values() for child in node.children}
    assert pairs == {
        (parent, node.machine_id) for node in nodes().values() for parent in node.parents
    }


def test_38_nodes_keep_several_parents() -> None:
    several = [node for node in nodes().values() if len(node.parents) > 1]
    assert len(several) == 38
    ambulance = find_node("Ambulance (siren)")
    assert {nodes()[parent].name for parent in ambulance.parents} == {"Emergency vehicle", "Siren"}
    for branch in ("Vehicle", "Alarm"):
        assert ambulance.machine_id in descendants(find_node(branch).machine_id)


def test_a_level_is_the_fewest_steps_from_a_root() -> None:
    for node in nodes().values():
        assert node.level == 1 + min((nodes()[one].level for one in node.parents), default=0)


def test_the_roots_reach_every_node_and_every_class() -> None:
    reached = {root.machine_id for root in at_level(1)}
    covered: set[int] = set()
    for root in at_level(1):
        reached.update(descendants(root.machine_id))
        covered.update(classes_at_or_below(root.machine_id))
    assert reached == set(nodes())
    assert covered == {one.index for one in classes()}


def test_descendants_are_each_named_once_and_never_the_node_itself() -> None:
    for machine_id in nodes():
        below = descendants(machine_id)
        assert len(set(below)) == len(below)
        assert machine_id not in below


def test_classes_below_speech() -> None:
    assert classes_at_or_below(find_node("Speech").machine_id) == (0, 1, 2, 3, 4, 5, 6, 7)
    assert classes_at_or_below(find_node("/m/0brhx").machine_id) == (7,)


def test_a_wrong_node_is_refused() -> None:
    with pytest.raises(UserError, match="Human voice"):
        find_node("Human voise")


@pytest.mark.parametrize("text", ["Music", " music ", "/M/04RLF", "137", 137])
def test_a_node_is_found_by_name_id_and_class_index(text: str | int) -> None:
    assert find_node(text).machine_id == "/m/04rlf"


@pytest.mark.parametrize("text", ["527", "", "-1"])
def test_what_is_no_node_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        find_node(text)


def test_every_branch_of_a_node_with_several_parents_holds_it() -> None:
    for node in nodes().values():
        for parent in node.parents:
            assert node.machine_id in descendants(parent)
            assert node.machine_id in nodes()[parent].children
