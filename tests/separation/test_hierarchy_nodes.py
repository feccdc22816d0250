"""The ontology as a model with few classes knows it."""

from __future__ import annotations

import pytest
from ontology_models import AMBULANCE, IDS, NAMES, SPEECH, STRANGER, VIOLIN

from registry.errors import UserError
from uss_plugins.labels import ontology
from uss_plugins.labels.audioset import classes
from uss_plugins.separation.hierarchy.nodes import (
    ancestors,
    choose_nodes,
    find_model_node,
    model_nodes,
)

NODES = model_nodes(NAMES, IDS)


def named(level: int) -> dict[str, tuple[int, ...]]:
    return {node.name: node.classes for node in choose_nodes(NODES, (level,))}


def test_each_node_has_the_classes_at_or_below_it() -> None:
    assert named(1) == {
        "Human sounds": (SPEECH,),
        "Music": (VIOLIN,),
        "Sounds of things": (AMBULANCE,),
        "Rock/pop": (STRANGER,),
    }
    assert named(2) == {
        "Human voice": (SPEECH,),
        "Musical instrument": (VIOLIN,),
        "Vehicle": (AMBULANCE,),
        "Alarm": (AMBULANCE,),
    }


def test_a_class_outside_audioset_is_a_root_by_itself() -> None:
    stranger = find_model_node(NODES, "rock/POP")
    assert (stranger.level, stranger.parents, stranger.classes) == (1, (), (STRANGER,))


def test_classes_are_also_found_by_name_and_strangers_of_one_id_stay_apart() -> None:
    nodes = model_nodes(("speech", "a", "b"), ("x", "same", "same"))
    assert nodes["/m/09x0r"].classes == (0,)
    assert [node.classes for node in nodes.values() if node.name in "ab"] == [(1,), (2,)]


def test_several_parents_are_all_kept_unless_the_first_is_asked_for() -> None:
    ambulance = NODES[IDS[AMBULANCE]]
    assert {NODES[parent].name for parent in ambulance.parents} == {"Emergency vehicle", "Siren"}
    above = {NODES[one].name for one in ancestors(NODES, ambulance.id)}
    assert above >= {"Vehicle", "Alarm", "Sounds of things"}
    tree = model_nodes(NAMES, IDS, first_parent=True)
    assert len(tree[ambulance.id].parents) == 1


@pytest.mark.parametrize("first_parent", [False, True])
def test_audiosets_own_classes_give_audiosets_own_nodes(first_parent: bool) -> None:
    nodes = model_nodes(
        [one.name for one in classes()],
        [one.machine_id for one in classes()],
        first_parent=first_parent,
    )
    for machine_id, node in ontology.nodes(first_parent).items():
        below = ontology.classes_at_or_below(machine_id, first_parent)
        assert (nodes[machine_id].classes if machine_id in nodes else ()) == below
        if machine_id in nodes:
            assert (nodes[machine_id].level, nodes[machine_id].parents) == (
                node.level,
                node.parents,
            )
            assert set(node.parents) <= set(nodes)
    count = sum(len(choose_nodes(nodes, (level,))) for level in (1, 2, 3))
    assert count == (299 if first_parent else 319)


def test_classes_that_cannot_be_used_are_left_out() -> None:
    assert "Music" not in {node.name for node in model_nodes(NAMES, IDS, usable=(0, 1)).values()}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MUSIC", "Music"),
        ("/M/04rlf", "Music"),
        ("0", "Speech"),
        ("2", "Violin, fiddle"),
        ("violin", "Violin, fiddle"),
        ("ROCK", "Rock/pop"),
    ],
)
def test_a_node_is_found_by_name_id_and_class_index(text: str, name: str) -> None:
    assert find_model_node(NODES, text).name == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Musik", "Music"),
        ("Animal", "no class at or below it"),
        ("4", "no class of that index"),
        ("", "no node"),
    ],
)
def test_a_wrong_node_is_refused_with_the_nearest(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        find_model_node(NODES, text)
    assert "\n" not in str(error.value)


def test_a_level_without_nodes_is_refused() -> None:
    with pytest.raises(UserError, match=r"level 9: .* from 1 to 4"):
        choose_nodes(NODES, (1, 9))
