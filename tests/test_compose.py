"""Components that do not fit each other are found when they are composed, and both are named."""

from __future__ import annotations

from typing import Any

import pytest
from training.tiny_recipe import tiny_tree

from registry.contracts import QueryOutput
from registry.errors import UserError
from uss_plugins import compose
from uss_plugins.compose import build_corpus, build_model, settle_sample_rate
from uss_plugins.recipe import Recipe, parse_recipe

NAMES = ("a", "b", "c")


def recipe_with(**sections: dict[str, Any]) -> Recipe:
    """The tiny recipe with its query net at 8 kHz; a section that names a component replaces it."""
    tree = tiny_tree()
    tree["query_net"]["sample_rate"] = 8000
    for name, section in sections.items():
        tree[name] = section if "name" in section else {**tree[name], **section}
    return parse_recipe(tree, "test")


def test_what_follows_from_neighbours_is_filled_in() -> None:
    model = build_model(recipe_with(embedding={"name": "soft"}), NAMES, NAMES)
    assert model.query_net.class_names == NAMES
    assert model.embedding.condition_size == 3
    assert model.separator.condition_size == 3
    assert model.separator.sample_rate == model.sample_rate == 8000
    latent = build_model(recipe_with(embedding={"name": "latent"}), NAMES, NAMES)
    assert latent.separator.condition_size == 8
    assert latent.query_bank.shape == (3, 8)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"separator": {"sample_rate": 16000}},
            "query net Panns works at 8000 Hz and separator ResUNet at 16000 Hz;"
            " give both the same sample_rate",
        ),
        (
            {"separator": {"condition_size": 5}},
            "embedding LearnableEmbedding makes conditions of 8 and separator ResUNet takes 5;"
            " give both the same condition_size",
        ),
        (
            {"embedding": {"name": "soft", "class_count": 7}},
            "embedding SoftEmbedding has 7 classes and query net Panns 3; its conditions are made of"
            " classes, so both must agree",
        ),
    ],
)
def test_components_that_disagree_are_both_named(
    sections: dict[str, dict[str, Any]], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        build_model(recipe_with(**sections), NAMES, NAMES)
    assert str(caught.value) == message


class Tagless:
    """A query net that only embeds."""

    sample_rate = 8000
    class_names: tuple[str, ...] = ()
    embedding_size: int | None = 8
    frames_per_second: float | None = None

    def __call__(self, audio: Any) -> QueryOutput:
        raise AssertionError("no audio is read when components are composed")


@pytest.mark.parametrize(
    "embedding", [{"name": "hard"}, {"name": "soft"}, {"name": "learnable", "source": "soft"}]
)
def test_a_strategy_of_classes_refuses_a_query_net_without(
    embedding: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "build_query_net", lambda *arguments: Tagless())
    with pytest.raises(UserError) as caught:
        build_model(recipe_with(embedding=embedding), NAMES, NAMES)
    name = embedding["name"]
    assert str(caught.value).startswith(
        f"embedding strategy '{name}': the query net has no classes; use a query net that tags"
    )


def test_the_corpus_rate_is_settled_unless_the_query_net_says_one() -> None:
    free = parse_recipe(tiny_tree(), "test")
    settled = settle_sample_rate(free, 22050)
    assert "sample_rate" not in free.query_net.parameters
    assert settled.query_net.parameters == {**free.query_net.parameters, "sample_rate": 22050}
    assert settled.model_copy(update={"query_net": free.query_net}) == free
    assert build_model(settled, NAMES, NAMES).sample_rate == 22050
    own = recipe_with()
    assert settle_sample_rate(own, 22050) == own


def test_corpora_differ_by_split() -> None:
    recipe = recipe_with()
    sizes = {split: len(build_corpus(recipe, split)) for split in ("train", "valid", "test")}
    assert sizes == {"train": 16, "valid": 8, "test": 8}
    valid, test = build_corpus(recipe, "valid"), build_corpus(recipe, "test")
    assert (valid.clip(0) != test.clip(0)).any()
