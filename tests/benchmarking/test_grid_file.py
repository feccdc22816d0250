"""A grid's schema, its axes, and the combinations that it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarking.small_grid import write_grid

from registry.errors import UserError
from uss_plugins.benchmarking.grid import load_grid
from uss_plugins.benchmarking.plan import name_of, plan_grid
from uss_plugins.benchmarking.work import phases_of


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"separatrs": []}, r"unknown key 'separatrs' \(did you mean separators\?\)"),
        (
            {"budget": {"steps": 4, "secnds": 2}},
            r"unknown key 'budget.secnds' \(did you mean seconds",
        ),
        ({"budget": {}}, "'budget': give either steps or seconds"),
        ({"budget": {"steps": 4, "seconds": 2.0}}, "'budget': give either steps or seconds"),
        ({"budget": {"steps": 5, "validations": 2}}, "steps=5 must be a multiple of validations=2"),
        ({"budget": {"seconds": -1}}, "'budget.seconds': Input should be greater than 0, not -1"),
        (
            {"embeddings": ["soft", "soft"]},
            "axis 'embedding' has two choices 'soft'; give one a label",
        ),
        ({"axes": {"training.loss": []}}, "axis 'training.loss' has no values"),
        ({"axes": {"separator": ["x"]}}, "axis 'separator' is a list of its own: 'separators'"),
        (
            {"axes": {"corpus.sample_rate": [8000]}},
            "'corpus' of '8000' is the same for all combinations; set it under 'recipe'",
        ),
        (
            {"separators": [{"name": "resunet_small", "recipe": {"training": {"steps": 8}}}]},
            "'training.steps' of 'resunet_small' is the same for all combinations; set it under 'budget'",
        ),
        (
            {"separators": ["resunet_smal"]},
            "no separator 'resunet_smal' is registered; did you mean",
        ),
        ({"example_class": "Sirene"}, "the corpus has no class 'Sirene'; did you mean Siren"),
        (
            {"axes": {"training.batch_size": [0]}},
            "'training.batch_size': Input should be greater than 0",
        ),
        ({"recipe": {"trainng": {}}}, r"unknown key 'trainng' \(did you mean training"),
    ],
)
def test_what_a_grid_cannot_mean_is_refused(
    tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    path = write_grid(tmp_path, **keys)
    with pytest.raises(UserError, match=message) as caught:
        plan_grid(load_grid(path))
    assert str(path) in str(caught.value)


def test_a_grid_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text("- soft\n")
    with pytest.raises(
        UserError, match="a grid is a mapping with the keys extends, recipe, budget"
    ):
        load_grid(path)


def test_every_combination_is_a_recipe(tmp_path: Path) -> None:
    axes = {"training.loss": ["l1_waveform", "neg_snr"]}
    plan = plan_grid(load_grid(write_grid(tmp_path, axes=axes, recipe={"seed": 7})))
    assert (len(plan.cells), plan.impossible) == (16, ())
    first, last = plan.cells[0], plan.cells[-1]
    assert name_of(first.labels) == "cnn_small · soft · resunet_small · l1_waveform"
    assert name_of(last.labels) == "wide · learnable · deep · neg_snr"
    assert last.recipe.query_net.parameters["channels"] == [8, 8]
    assert last.recipe.query_net.parameters["mel_size"] == 16  # the base's, for it is the same net
    assert last.recipe.separator.parameters["blocks_per_stage"] == 2
    assert (last.recipe.training.loss, last.recipe.seed) == ("neg_snr", 7)
    assert {
        (cell.recipe.training.steps, cell.recipe.training.validate_every) for cell in plan.cells
    } == {(4, 2)}
    assert all(cell.recipe.corpus == first.recipe.corpus for cell in plan.cells)


def test_the_recipes_own_component_stands_in_for_a_list_that_is_left_out(tmp_path: Path) -> None:
    plan = plan_grid(load_grid(write_grid(tmp_path, query_nets=[], separators=[])))
    names = [name_of(cell.labels) for cell in plan.cells]
    assert names == ["cnn_small · soft · resunet_small", "cnn_small · learnable · resunet_small"]


def test_impossible_combinations_are_named_with_the_reason(tmp_path: Path) -> None:
    deaf = {"name": "resunet_small", "label": "other rate", "sample_rate": 16000}
    misfit = {"name": "resunet_small", "label": "misfit", "window_size": 250}
    grid = write_grid(tmp_path, separators=["resunet_small", deaf, misfit], query_nets=[])
    plan = plan_grid(load_grid(grid))
    assert [name_of(cell.labels) for cell in plan.cells] == [
        "cnn_small · soft · resunet_small",
        "cnn_small · learnable · resunet_small",
    ]
    told = {name_of(one.labels): one.reason for one in plan.impossible}
    assert len(told) == 4
    assert (
        "works at 8000 Hz and separator ResUNet at 16000 Hz"
        in told["cnn_small · soft · other rate"]
    )
    assert "half of window_size=250 must be" in told["cnn_small · learnable · misfit"]


def test_values_that_only_together_are_wrong_cost_their_combination(tmp_path: Path) -> None:
    axes = {"mixing.sources": [2, 4], "training.batch_size": [2, 8]}
    one = {"query_nets": [], "embeddings": ["soft"], "separators": ["resunet_small"]}
    plan = plan_grid(load_grid(write_grid(tmp_path, axes=axes, **one)))
    assert [list(cell.labels.values())[3:] for cell in plan.cells] == [
        ["2", "2"],
        ["2", "8"],
        ["4", "8"],
    ]
    (impossible,) = plan.impossible
    assert impossible.labels["mixing.sources"] == "4"
    assert impossible.labels["training.batch_size"] == "2"
    assert (
        impossible.reason
        == "its recipe: training.batch_size=2 is too small to mix mixing.sources=4 of it"
    )


def test_a_grid_in_which_nothing_is_possible_says_why(tmp_path: Path) -> None:
    grid = write_grid(tmp_path, separators=[{"name": "resunet_small", "window_size": 250}])
    with pytest.raises(
        UserError, match="no combination is possible; cnn_small · soft · resunet_small:"
    ):
        plan_grid(load_grid(grid))


def test_what_cells_share_is_made_once(tmp_path: Path) -> None:
    plan = plan_grid(load_grid(write_grid(tmp_path)))
    rendered, taggers, anchors, mixtures, cells = phases_of(plan, tmp_path / "exp")
    assert rendered == []
    assert [work.name for work in taggers] == ["tagger of cnn_small", "tagger of wide"]
    assert (len(anchors), len(mixtures), len(cells)) == (2, 1, 8)
    made = {work.folder for work in (*taggers, *anchors, *mixtures)}
    assert all(made.issuperset(work.needs) and len(work.needs) == 3 for work in cells)
    assert len({work.folder for work in cells}) == 8


def test_a_change_of_the_recipe_is_another_cell_and_keeps_what_it_shares(tmp_path: Path) -> None:
    works = []
    for changes in ({}, {"training": {"batch_size": 8}}, {"tagger": {"batch_size": 8}}):
        plan = plan_grid(load_grid(write_grid(tmp_path, recipe=changes)))
        works.append([{work.folder for work in phase} for phase in phases_of(plan, tmp_path)[1:]])
    before, training, tagger = works
    assert before[:3] == training[:3]
    assert before[3].isdisjoint(training[3])
    assert before[0].isdisjoint(tagger[0])
    assert before[2] == tagger[2]


def test_mined_evaluation_segments_are_the_same_for_all_cells(tmp_path: Path) -> None:
    plan = plan_grid(load_grid(write_grid(tmp_path, recipe={"evaluation": {"segments": "mined"}})))
    _, _, anchors, (mixtures,), cells = phases_of(plan, tmp_path)
    assert mixtures.anchors == anchors[0].folder / "test.npz"
    assert {work.anchors for work in cells} == {mixtures.anchors}
    assert anchors[0].folder in mixtures.needs


def test_mined_segments_on_an_axis_are_those_of_the_first_cell_that_mines_them(
    tmp_path: Path,
) -> None:
    axes = {"evaluation.segments": ["true", "mined"]}
    plan = plan_grid(load_grid(write_grid(tmp_path, axes=axes, embeddings=["soft"])))
    _, _, anchors, mixtures, cells = phases_of(plan, tmp_path)
    of_truth, of_anchors = mixtures
    assert of_truth.anchors is None
    (judging,) = [work for work in anchors if work.folder / "test.npz" == of_anchors.anchors]
    assert judging.recipe.evaluation.segments == "mined"
    assert judging.folder in of_anchors.needs
    for cell in cells:
        mined = cell.recipe.evaluation.segments == "mined"
        assert cell.anchors == (of_anchors.anchors if mined else None)
        assert (of_anchors if mined else of_truth).folder in cell.needs
