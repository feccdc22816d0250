"""Which nodes are separated, where, and which of them share an estimate."""

from __future__ import annotations

import numpy as np
import pytest
from band_models import KeepsBands
from ontology_models import heard_of, ontology_model

from uss_plugins.separation.hierarchy.plan import Plan, Selection, Span, make_plan, runs

MODEL = ontology_model(KeepsBands())
ALL = (1, 2, 3)


def plan_of(probabilities: list[list[float]], selection: Selection) -> Plan:
    return make_plan(MODEL, heard_of(probabilities), selection)


def outputs(plan: Plan) -> list[str]:
    return list(plan.outputs)


def test_a_node_is_active_where_its_likeliest_class_reaches_the_threshold() -> None:
    heard = [[0.2, 0, 0, 0], [0.19, 0, 0, 0], [0.9, 0, 0.5, 0], [0.3, 0, 0, 0], [0, 0, 0, 0]]
    plan = plan_of(heard, Selection(levels=(1,)))
    assert outputs(plan) == ["level=1/Human sounds", "level=1/Music"]
    speech, music = plan.outputs.values()
    assert speech.active.tolist() == [True, False, True, True, False]
    assert [(one.start_seconds, one.end_seconds) for one in speech.spans(plan.heard)] == [
        (0.0, 2.0),
        (4.0, 8.0),
    ]
    assert speech.spans(plan.heard)[1].probability == pytest.approx(0.9)
    assert music.spans(plan.heard) == [Span(4.0, 6.0, 0.5)]


def test_silence_is_not_active_even_at_threshold_zero() -> None:
    plan = plan_of([[0.1, 0, 0, 0], [0, 0, 0, 0]], Selection(levels=(1,), threshold=0.0))
    assert len(plan.outputs) == 4
    assert all(one.active.tolist() == [True, False] for one in plan.outputs.values())


def test_short_activity_is_dropped() -> None:
    heard = [[0.9, 0, 0.9, 0], [0.9, 0, 0, 0], [0, 0, 0.9, 0], [0.9, 0, 0, 0]]
    plan = plan_of(heard, Selection(levels=(1,), min_seconds=3.0))
    assert outputs(plan) == ["level=1/Human sounds"]
    assert plan.outputs["level=1/Human sounds"].active.tolist() == [True, True, False, False]


def test_the_top_nodes_of_each_level_are_the_most_heard_ones() -> None:
    heard = [[0.5, 0.0, 0.9, 0.3], [0.5, 0.0, 0.0, 0.3]]
    assert outputs(plan_of(heard, Selection(levels=(1, 2), top=1))) == [
        "level=1/Human sounds",
        "level=2/Human voice",
    ]
    tie = [[0.5, 0.5, 0.5, 0.5]]
    assert len(plan_of(tie, Selection(levels=(1,), top=3)).outputs) == 3


def test_named_nodes_are_kept_beside_the_top_and_even_when_never_heard() -> None:
    selection = Selection(levels=(1,), names=("Rock/pop", "Violin"), top=1)
    plan = plan_of([[0.5, 0, 0, 0.3]], selection)
    assert outputs(plan) == ["level=1/Human sounds", "level=4/Violin, fiddle", "level=1/Rock/pop"]


def test_ancestors_are_there_without_a_file_in_every_branch() -> None:
    plan = plan_of([[0, 0.9, 0, 0]], Selection(names=("Ambulance (siren)",)))
    names = {one.node.name for one in plan.nodes}
    assert names >= {"Sounds of things", "Vehicle", "Alarm", "Siren", "Emergency vehicle"}
    assert len(plan.outputs) == 1
    ids = {one.node.id for one in plan.nodes}
    assert all(parent in ids for one in plan.nodes for parent in one.node.parents)
    assert all(one.active.all() for one in plan.nodes)


def test_nodes_with_the_same_active_classes_share_the_narrowest_ones_estimate() -> None:
    model = ontology_model(KeepsBands())
    # Speech, and a child of it; music beside them.
    model.class_names = ("Speech", "Male speech, man speaking", "Music", "x")
    model.class_ids = ("/m/09x0r", "/m/05zppz", "/m/04rlf", "x")
    heard = heard_of([[0.0, 0.9, 0.9, 0], [0.9, 0.1, 0, 0], [0.9, 0.9, 0, 0]])
    plan = make_plan(model, heard, Selection(levels=(1, 2, 3, 4)))

    def sources(segment: int) -> dict[str, str]:
        return {
            output.split("/")[1]: source.node.name
            for output, source in plan.sources(segment).items()
        }

    man = "Male speech, man speaking"
    people = dict.fromkeys(("Human sounds", "Human voice", "Speech"), man)
    assert sources(0) == {**people, man: man, "Music": "Music"}
    speech = dict.fromkeys(("Human sounds", "Human voice", "Speech"))
    assert sources(1).keys() == speech.keys()
    assert len(set(sources(1).values())) == 1
    assert set(sources(2)) == {*people, man}
    assert sources(2)[man] == man
    assert len(set(sources(2).values())) == 2
    assert plan.estimate_counts() == [2, 1, 2]


def test_names_of_outputs_are_unique() -> None:
    model = ontology_model(KeepsBands())
    model.class_names, model.class_ids = ("Same", "Same", "same", "Music"), ("a", "b", "c", "Music")
    plan = make_plan(model, heard_of([[0.9] * 4]), Selection(levels=(1,)))
    assert len(plan.outputs) == 4


def test_classes_without_anchors_are_not_asked_of_the_bank() -> None:
    model = ontology_model(KeepsBands(), class_indexed=False)
    model.query_bank[0] = 0
    plan = make_plan(model, heard_of([[0.9, 0.9, 0, 0]]), Selection(levels=(1,)))
    assert outputs(plan) == ["level=1/Sounds of things"]


def test_runs() -> None:
    assert runs(np.array([True, True, False, True])) == [(0, 1), (3, 3)]
    assert runs(np.zeros(3, bool)) == []
