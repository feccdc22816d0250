"""A separator is trained behind CLAP and behind AST, and its folder needs nothing but itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from command_line import RunCli
from tiny_hub import CLAP_CONFIG, CLAP_FEATURES, save_ast, save_clap
from tiny_recipe import TREE, tiny_tree

from registry.errors import UserError
from uss_plugins.compose import build_model, settle_sample_rate
from uss_plugins.corpora.anchors import AnchorTable
from uss_plugins.recipe import load_recipe, parse_recipe
from uss_plugins.separation.folder import load_model, load_query_net
from uss_plugins.training.devices import Devices
from uss_plugins.training.experiment import Experiment
from uss_plugins.training.pretrained import check_nets
from uss_plugins.training.stages.separator import train_separator
from uss_plugins.training.stages.tagger import train_tagger

FIT = {"steps": 1, "batch_size": 4, "validate_every": 1, "validation_batches": 1}
CLASSES = TREE["corpus"]["classes"]
RECIPES = Path(__file__).parents[2] / "recipes" / "text"
RANDOM_CLAP = {"name": "clap", "config": CLAP_CONFIG, "feature_extractor": CLAP_FEATURES}


def tree(query_net: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """A recipe of one step with that query net and the latent strategy."""
    small = tiny_tree(
        training={**FIT, "ema_decay": None, "schedule": {"name": "none"}},
        mixing={"disjoint": False},  # nets with random weights hear everything everywhere
    )
    small["corpus"]["splits"] = {"train": {"clips": 6}, "valid": {"clips": 4}, "test": {"clips": 4}}
    return {**small, "query_net": query_net, "embedding": {"name": "latent"}, **sections}


def experiment(recipe_tree: dict[str, Any], folder: Path) -> Experiment:
    recipe = settle_sample_rate(parse_recipe(recipe_tree, "tests"), 8000)
    return Experiment(recipe, folder, folder / "shared", Devices("cpu"))


@pytest.fixture(scope="module")
def clap_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained for a step behind a tiny CLAP, whose own folder is gone."""
    folder = tmp_path_factory.mktemp("clap")
    weights = save_clap(folder / "weights")
    detector = {**TREE["query_net"], "name": "cnn_small"}
    recipe = tree(
        {"name": "clap", "pretrained": str(weights)},
        detector=detector,
        tagger={**FIT, "steps": 1},
    )
    train_separator(experiment(recipe, folder))
    shutil.rmtree(weights)
    shutil.rmtree(folder / "shared")
    return folder / "model"


def test_a_model_with_clap_is_whole_in_its_folder(clap_model: Path) -> None:
    files = {path.name for path in (clap_model / "query_net").iterdir()}
    needed = ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
    assert files.issuperset(needed)
    assert not list(clap_model.glob("query_net/*.safetensors"))
    assert not list(clap_model.glob("*.part"))
    model = load_model(clap_model)
    assert (model.sample_rate, model.query_net.sample_rate) == (8000, 8000)
    assert len(model.class_names) == 4
    known = model.query_bank[model.query_bank.any(1)]
    assert torch.allclose(known.norm(dim=1), torch.ones(len(known)), atol=0.1)
    conditions = model.condition_from_text(["a dog barking", "rain"])
    assert conditions.shape == (2, model.condition_size)
    assert not torch.equal(*conditions)


def test_text_from_the_command_line(clap_model: Path, run_cli: RunCli, tmp_path: Path) -> None:
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, 22050)
    soundfile.write(tmp_path / "x.wav", audio, 44100)
    soundfile.write(tmp_path / "not.wav", audio[::-1], 44100)
    arguments = ["separate", tmp_path / "x.wav", "--model", clap_model]
    wanted = ["--text", "a dog barking", "--text", "rain", "--output-dir", tmp_path / "out"]
    done = run_cli(*arguments, *wanted, "--json", env={"HF_HUB_OFFLINE": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    (recording,) = json.loads(done.stdout)["recordings"]
    assert [one["name"] for one in recording["outputs"]] == ["a dog barking", "rain"]
    plain = soundfile.read(tmp_path / "out" / "x" / "rain.flac")[0]
    assert plain.shape == audio.shape
    unwanted = ["--not-text", "a siren wails", "--not-query", tmp_path / "not.wav"]
    done = run_cli(*arguments, *wanted, *unwanted)
    assert (done.returncode, done.stderr) == (0, "")
    assert not np.array_equal(soundfile.read(tmp_path / "out" / "x" / "rain.flac")[0], plain)


def test_a_tagger_without_frames_mines_tags_and_conditions(tmp_path: Path) -> None:
    weights = save_ast(tmp_path / "weights")
    recipe = tree(
        {"name": "ast", "pretrained": str(weights)},
        embedding={"name": "soft"},
        tagger=None,
        anchors={"segment_seconds": 1.0, "method": "sliding"},
    )
    run = experiment(recipe, tmp_path / "exp")
    train_separator(run)
    assert not (run.shared / "tagger").exists()
    anchors = AnchorTable.load(run.anchor_folder / "train.npz")
    assert anchors.probabilities.shape == (len(anchors), 4)
    assert set((anchors.start_samples % 4000).tolist()) == {0}
    shutil.rmtree(weights)
    model = load_model(run.model_folder)
    assert len(model.class_names) == model.condition_size == 4
    heard = model.listen(torch.randn(1, 8000)).clip_probabilities
    assert heard is not None


def test_stage_1_trains_ast_further(tmp_path: Path) -> None:
    weights = save_ast(tmp_path / "weights")
    recipe = tree(
        {"name": "ast", "pretrained": str(weights)},
        tagger=FIT,
        anchors={"segment_seconds": 1.0, "method": "sliding"},
    )
    run = experiment(recipe, tmp_path / "exp")
    figures = train_tagger(run)
    assert figures["steps"] == 1
    shutil.rmtree(weights)
    assert len(load_query_net(run.tagger_folder).class_names) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"query_net": RANDOM_CLAP},
            "query_net 'clap' has random weights, and nothing trains",
        ),
        ({"query_net": {"name": "ast", "pretrained": "a/b"}}, "write anchors.method=sliding"),
        (
            {"query_net": {"name": "clap", "pretrained": "a/b"}, "detector": None},
            "query_net 'clap' tags no classes, so it cannot find anchors",
        ),
    ],
)
def test_recipes_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    recipe = {**tree({"name": "clap"}, detector=TREE["query_net"]), **changes}
    if changes["query_net"]["name"] == "ast":
        recipe["detector"] = None
    with pytest.raises(UserError) as told:
        check_nets(parse_recipe(recipe, "tests"), CLASSES)
    assert said in str(told.value)


def test_the_recipe_is_yaml_with_its_pretrained_weights(clap_model: Path) -> None:
    stored = yaml.safe_load((clap_model / "recipe.yaml").read_text())
    assert stored["query_net"]["pretrained"].endswith("weights")


@pytest.mark.parametrize("name", ["clap", "ast"])
def test_the_recipes_compose(name: str, tmp_path: Path) -> None:
    weights = {"clap": save_clap, "ast": save_ast}[name](tmp_path)
    recipe = load_recipe(RECIPES / f"{name}.yaml", [f"query_net.pretrained={weights}"])
    recipe = settle_sample_rate(recipe, 16000)
    check_nets(recipe, CLASSES)
    model = build_model(recipe, CLASSES, CLASSES)
    assert (model.sample_rate, model.class_names) == (16000, tuple(CLASSES))
    assert model.condition_size == {"clap": 8, "ast": 4}[name]
