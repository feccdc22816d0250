"""Training starts from the separator's folder that a recipe names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from training.tiny_recipe import tiny_tree

from registry.errors import UserError
from uss_plugins.compose import build_component, settle_sample_rate
from uss_plugins.recipe import Component, parse_recipe
from uss_plugins.separation.folder import load_model
from uss_plugins.separation.importing.separator_folder import load_separator, save_separator
from uss_plugins.training.devices import Devices
from uss_plugins.training.experiment import Experiment
from uss_plugins.training.stages.separator import train_separator

CONDITION_SIZE = 8  # of the tiny recipe's strategy


def separator_folder(folder: Path, condition_size: int = CONDITION_SIZE) -> Path:
    sizes = {"sample_rate": 8000, "condition_size": condition_size}
    component = Component(**tiny_tree()["separator"], **sizes)
    save_separator(build_component("separator", component, {}), component, folder)
    return folder


def experiment(folder: Path, weights: Path) -> Experiment:
    once = {"steps": 1, "validate_every": 1}
    still = {**once, "optimiser": {"learning_rate": 1e-12}, "ema_decay": None}
    tree = tiny_tree(tagger=once, training=still, separator={"weights": str(weights)})
    recipe = settle_sample_rate(parse_recipe(tree, "tests"), 8000)
    return Experiment(recipe, folder, folder, Devices("cpu"))


def test_a_training_that_hardly_moves_ends_where_it_started(tmp_path: Path) -> None:
    start = separator_folder(tmp_path / "start")
    train_separator(experiment(tmp_path / "exp", start))
    trained = load_model(tmp_path / "exp" / "model").separator
    wanted = dict(load_separator(start).named_parameters())  # type: ignore[attr-defined]
    found = dict(trained.named_parameters())
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-9)


def test_another_separators_weights_are_refused(tmp_path: Path) -> None:
    start = separator_folder(tmp_path / "start", condition_size=5)
    with pytest.raises(UserError, match=r"start/weights.safetensors: does not fit its recipe"):
        train_separator(experiment(tmp_path / "exp", start))
