"""Recipes: what they say, what they take from another, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
import yaml
from training.tiny_recipe import TREE, tiny_tree

from registry.errors import UserError
from uss_plugins.compose import build_corpus, build_model, settle_sample_rate
from uss_plugins.labels.audioset import classes
from uss_plugins.recipe import Recipe, dump_recipe, load_recipe, merge, parse_recipe

RECIPES = Path(__file__).parents[1] / "recipes"


def write(path: Path, tree: dict[str, Any] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = dedent(tree) if isinstance(tree, str) else yaml.safe_dump(tree)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write(tmp_path / "base.yaml", TREE)


def refusal(path: Path, *overrides: str) -> str:
    """What `load_recipe` says: one line."""
    with pytest.raises(UserError) as caught:
        load_recipe(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_recipe_extends_others_relative_to_its_own_place(tmp_path: Path, base: Path) -> None:
    write(tmp_path / "a/middle.yaml", {"extends": "../base.yaml", "training": {"batch_size": 7}})
    last = write(
        tmp_path / "a/b/last.yaml",
        {"extends": "../middle.yaml", "seed": 11, "training": {"loss": "snr"}},
    )
    recipe, original = load_recipe(last), load_recipe(base)
    assert (recipe.seed, recipe.training.batch_size, recipe.training.loss) == (11, 7, "snr")
    changes = {"batch_size": 7, "loss": "snr"}
    assert recipe.training == original.training.model_copy(update=changes)
    assert recipe.separator == original.separator
    assert recipe.corpus == original.corpus


@pytest.mark.parametrize("circle", [["a.yaml"], ["b.yaml", "a.yaml"]])
def test_a_circle_of_recipes_is_refused(tmp_path: Path, circle: list[str]) -> None:
    for name, extended in zip(["a.yaml", *circle], circle, strict=False):
        write(tmp_path / name, {"extends": extended})
    message = refusal(tmp_path / "a.yaml")
    assert message == (
        f"{tmp_path / 'a.yaml'}: extends itself; remove 'extends' from one file of the circle"
    )


def test_a_missing_base_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", {"extends": "gone.yaml"})
    expected = f"{tmp_path / 'gone.yaml'}: cannot read the recipe: No such file or directory"
    assert refusal(path) == expected


@pytest.mark.parametrize(
    ("changes", "merged"),
    [
        ({"x": 3}, {"name": "a", "x": 3, "y": [1, 2]}),
        ({"name": "a", "x": 3}, {"name": "a", "x": 3, "y": [1, 2]}),
        ({"name": "b", "x": 3}, {"name": "b", "x": 3}),
        ({"y": [9]}, {"name": "a", "x": 1, "y": [9]}),
    ],
)
def test_a_component_of_another_name_replaces_the_whole(
    changes: dict[str, Any], merged: dict[str, Any]
) -> None:
    base = {"separator": {"name": "a", "x": 1, "y": [1, 2]}, "seed": 1}
    assert merge(base, {"separator": changes}) == {"separator": merged, "seed": 1}
    assert base == {"separator": {"name": "a", "x": 1, "y": [1, 2]}, "seed": 1}


def test_overrides_change_one_value_each(base: Path) -> None:
    recipe = load_recipe(
        base,
        [
            "training.steps=10",
            "separator.stage_channels=[2, 2, 2]",
            "training.optimiser.learning_rate=1e-4",
            "training.ema_decay=null",
            "corpus.splits.test.clips=3",
            "evaluation.segments=mined",
        ],
    )
    assert recipe.training.steps == 10
    assert recipe.separator.parameters["stage_channels"] == [2, 2, 2]
    assert recipe.training.optimiser.learning_rate == 1e-4
    assert recipe.training.ema_decay is None
    assert recipe.corpus.split_parameters("test") == {
        **load_recipe(base).corpus.split_parameters("test"),
        "clips": 3,
    }
    assert recipe.evaluation.segments == "mined"


def test_an_override_of_the_name_drops_the_old_components_parameters(base: Path) -> None:
    overrides = ["separator.blocks_per_stage=2", "separator.name=resunet30"]
    for one in (overrides, overrides[::-1]):
        section = load_recipe(base, one).separator
        assert (section.name, section.parameters) == ("resunet30", {"blocks_per_stage": 2})
    same = load_recipe(base, [f"separator.name={TREE['separator']['name']}"]).separator
    assert same == load_recipe(base).separator


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set seed: write a key and a value, such as training.steps=1000"),
        ("a..b=1", "--set a..b=1: write a key and a value, such as training.steps=1000"),
        ("seed.x=1", "--set seed.x=1: 'seed' has no keys"),
        ("seed=[1", "--set seed=[1: the value is not YAML; quote it"),
    ],
)
def test_a_bad_override_is_refused(base: Path, override: str, message: str) -> None:
    assert refusal(base, override) == message


def test_all_errors_are_reported_together_with_the_nearest_names(tmp_path: Path) -> None:
    tree = tiny_tree(
        training={"stepz": 3, "batch_size": 0, "loss": "snr"},
        mixing={"disjont": True},
        anchors={"method": "largest"},
    )
    tree["sead"] = 1
    tree["training"]["optimiser"] = {"learning_rat": 0.1}
    del tree["corpus"]
    message = refusal(write(tmp_path / "bad.yaml", tree))
    for problem in (
        "unknown key 'training.stepz' (did you mean steps?",
        "'training.batch_size': Input should be greater than 0, not 0",
        "unknown key 'mixing.disjont' (did you mean disjoint",
        "'anchors.method': Input should be 'largest_area', 'sliding' or 'random', not 'largest'",
        "unknown key 'sead' (did you mean seed?",
        "unknown key 'training.optimiser.learning_rat' (did you mean learning_rate?",
        "missing key 'corpus'",
    ):
        assert problem in message
    assert message.startswith(f"{tmp_path / 'bad.yaml'}: ")
    assert message.count("; ") == 6


def test_validation_must_close_the_training(base: Path) -> None:
    message = refusal(base, "training.steps=12", "tagger.validate_every=41")
    assert "'training': steps=12 must be a multiple of validate_every=5" in message
    assert "'tagger': steps=40 must be a multiple of validate_every=41" in message


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("mixing.gain_range_db=[3, -3]", "gain_range_db=[3.0, -3.0] must go from the lower"),
        ("mixing.gain_range_db=[.nan, 3]", "'mixing.gain_range_db.0': Input should be a finite"),
        ("anchors.segment_seconds=.inf", "'anchors.segment_seconds': Input should be a finite"),
        ("training.optimiser.learning_rate=.inf", "learning_rate': Input should be a finite"),
        ("training.optimiser.betas=[0.9, 1]", "betas.1': Input should be less than 1, not 1"),
        ("mixing.sources=5", "training.batch_size=4 is too small to mix mixing.sources=5 of it"),
    ],
)
def test_a_value_that_training_cannot_use_is_refused(base: Path, override: str, said: str) -> None:
    assert said in refusal(base, override)


@pytest.mark.parametrize(
    ("section", "valid"),
    [("query_net", "channels"), ("embedding", "hidden_size"), ("separator", "stage_channels")],
)
def test_an_unknown_parameter_of_a_component_is_refused_with_the_valid_ones(
    base: Path, section: str, valid: str
) -> None:
    recipe = load_recipe(base, [f"{section}.{valid}x=1"])
    with pytest.raises(UserError) as caught:
        build_model(recipe, ["a", "b"], ["a", "b"])
    name = getattr(recipe, section).name
    assert f"'{name}'" in str(caught.value)
    assert f"unknown parameter '{valid}x'; did you mean {valid}" in str(caught.value)


def test_an_unknown_parameter_of_a_split_is_refused(base: Path) -> None:
    recipe = load_recipe(base, ["corpus.splits.test.clipz=3"])
    build_corpus(recipe, "train")
    with pytest.raises(UserError, match="unknown parameter 'clipz'; did you mean clips"):
        build_corpus(recipe, "test")
    assert "trian" in refusal(base, "corpus.splits.trian.clips=3")


def test_what_is_written_out_is_read_back(base: Path, tmp_path: Path) -> None:
    recipe = load_recipe(base)
    path = tmp_path / "out.yaml"
    path.write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe
    defaults = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert defaults["training"]["optimiser"]["betas"] == [0.9, 0.999]
    assert defaults["evaluation"]
    assert defaults["separator"] == {**TREE["separator"], "weights": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\ncorpus: [1\n", ", line 3: "),
        ("seed: 1\ntraining:\n\tsteps: 3\n", ", line 3: "),
        ("- a\n", ": a recipe is a mapping of sections, such as 'corpus:'"),
        ("", ": a recipe is a mapping of sections, such as 'corpus:'"),
    ],
)
def test_broken_yaml_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    assert refusal(path).startswith(f"{path}{said}")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal(path) == f"{path}: cannot read the recipe: not UTF-8 text"
    assert refusal(tmp_path) == f"{tmp_path}: cannot read the recipe: Is a directory"


NO_RECIPES = {"speechbrain/hparams.yaml", "synthetic/grid.yaml"}
"""SpeechBrain's hyper-parameters, and a grid."""


def every_recipe() -> list[str]:
    found = {path.relative_to(RECIPES).as_posix() for path in RECIPES.rglob("*.yaml")}
    return sorted(found - NO_RECIPES)


def names_and_ids(recipe: Recipe) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes of a recipe's corpus; AudioSet's where the corpus is on nobody's disk here."""
    if recipe.corpus.name == "synthetic":
        corpus = build_corpus(recipe, "valid")
        return corpus.class_names, corpus.class_ids
    return tuple(one.name for one in classes()), tuple(one.machine_id for one in classes())


@pytest.mark.parametrize("name", every_recipe())
def test_every_recipe_of_the_project_loads_and_builds_its_model(name: str) -> None:
    path = RECIPES / name
    recipe = load_recipe(path)
    assert parse_recipe(yaml.safe_load(dump_recipe(recipe)), name) == recipe
    names, ids = names_and_ids(recipe)
    rate = recipe.corpus.parameters.get("sample_rate", 32000)
    if "pretrained" in recipe.query_net.parameters:  # from a hub; their own tests build small ones
        return
    with torch.device("meta"):  # shapes only: no memory, and nothing to initialise
        model = build_model(settle_sample_rate(recipe, rate), names, ids)
    assert model.class_names == names
    assert model.sample_rate == rate


@pytest.mark.parametrize("name", every_recipe())
def test_the_first_line_of_a_recipe_is_the_command_that_runs_it(name: str) -> None:
    first = (RECIPES / name).read_text(encoding="utf-8").splitlines()[0]
    command = re.match(r"# (?:uss-plugins [\w-]+ )?(recipes/\S+)", first)
    assert command
    assert (RECIPES.parent / command[1]).is_file()
