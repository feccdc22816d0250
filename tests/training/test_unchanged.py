"""A stage's folder belongs to the recipe that it was begun with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from training.tiny_recipe import tiny_tree

from registry.errors import UserError
from uss_plugins.recipe import Recipe, load_recipe, parse_recipe
from uss_plugins.training.unchanged import ANCHORS, SEPARATOR, TAGGER, keep_recipe


def changed(**sections: dict[str, Any]) -> Recipe:
    return parse_recipe(tiny_tree(**sections), "tests")


def test_the_recipe_is_there_from_the_start_and_replaced_until_then(tmp_path: Path) -> None:
    keep_recipe(tmp_path, changed(), SEPARATOR, begun=False)
    other = changed(training={"batch_size": 5})
    keep_recipe(tmp_path, other, SEPARATOR, begun=False)
    assert load_recipe(tmp_path / "recipe.yaml") == other
    keep_recipe(tmp_path, other, SEPARATOR, begun=True)


def test_the_first_keys_that_differ_are_named_with_the_remedy(tmp_path: Path) -> None:
    keep_recipe(tmp_path, changed(), SEPARATOR, begun=False)
    other = changed(
        training={"batch_size": 5, "steps": 85},
        separator={"stage_channels": [4, 6], "hop_size": 64},
        corpus={"splits": {"train": {"clips": 17}}},
    )
    with pytest.raises(UserError) as caught:
        keep_recipe(tmp_path, other, SEPARATOR, begun=True)
    assert str(caught.value) == (
        f"{tmp_path}: was begun with another recipe (corpus.splits.test.clips was 8, is None;"
        " corpus.splits.train.clips was 16, is 17; corpus.splits.valid.clips was 8, is None;"
        f" 4 more); give another folder, or the recipe {tmp_path}/recipe.yaml"
    )
    assert load_recipe(tmp_path / "recipe.yaml") == changed()


@pytest.mark.parametrize(
    ("sections", "except_keys", "change"),
    [
        (TAGGER, "", {"embedding": {"hidden_size": 9}}),
        (TAGGER, "", {"separator": {"stage_channels": [4, 6]}}),
        (TAGGER, "", {"anchors": {"segment_seconds": 0.5}}),
        (TAGGER, "", {"tagger": {"workers": 2}}),
        (ANCHORS, "", {"training": {"steps": 85}, "mixing": {"sources": 3}}),
        (ANCHORS, "anchors.exclusive", {"anchors": {"exclusive": 0.5}}),
        (SEPARATOR, "", {"training": {"workers": 1}, "corpus": {"cache": True}}),
    ],
)
def test_what_does_not_matter_to_a_stage_may_change(
    tmp_path: Path, sections: tuple[str, ...], except_keys: str, change: dict[str, Any]
) -> None:
    keep_recipe(tmp_path, changed(), sections, begun=False)
    keep_recipe(tmp_path, changed(**change), sections, begun=True, except_keys=except_keys)


@pytest.mark.parametrize(
    ("sections", "change", "key"),
    [
        (TAGGER, {"query_net": {"channels": [4, 6]}}, r"query_net.channels was \[4, 8\], is"),
        (TAGGER, {"tagger": {"steps": 45}}, "tagger.steps was 40, is 45"),
        (ANCHORS, {"anchors": {"method": "random"}}, "anchors.method was 'largest_area', is"),
        (SEPARATOR, {"embedding": {"hidden_size": 9}}, "embedding.hidden_size was 8, is 9"),
        (SEPARATOR, {"mixing": {"disjoint": False}}, "mixing.disjoint was True, is False"),
    ],
)
def test_what_matters_to_a_stage_may_not(
    tmp_path: Path, sections: tuple[str, ...], change: dict[str, Any], key: str
) -> None:
    keep_recipe(tmp_path, changed(), sections, begun=False)
    with pytest.raises(UserError, match=key):
        keep_recipe(tmp_path, changed(**change), sections, begun=True)


def test_evaluation_never_matters_to_training(tmp_path: Path) -> None:
    keep_recipe(tmp_path, changed(), SEPARATOR, begun=False)
    judged = parse_recipe({**tiny_tree(), "evaluation": {"pairs_per_class": 3}}, "tests")
    keep_recipe(tmp_path, judged, SEPARATOR, begun=True)
