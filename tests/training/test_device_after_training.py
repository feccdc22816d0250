"""Lightning takes a module off its GPU when a training ends; what comes after takes it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from training.tiny_recipe import tiny_tree
from training.two_tones import tones_recipe

from uss_plugins.cli.recipe_options import open_experiment
from uss_plugins.separation.folder import load_model
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.training.experiment import Experiment
from uss_plugins.training.fit import MovingAverage
from uss_plugins.training.stages import separator, tagger
from uss_plugins.training.systems import TaggerSystem

ONCE = {"steps": 2, "validate_every": 1}


def experiment(folder: Path) -> Experiment:
    recipe = folder / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(tiny_tree(tagger=ONCE, training=ONCE)), encoding="utf-8")
    return open_experiment(recipe, folder / "exp", None, (), False, "cpu", 1)


def test_the_bank_is_saved_though_the_model_moves_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moving(model: UniversalSeparator, *_: Any, **__: Any) -> Tensor:
        model.query_bank = model.query_bank.clone()  # as `Module.to` another device does
        return torch.full_like(model.query_bank, 0.5)

    monkeypatch.setattr(separator, "query_bank", moving)
    run = experiment(tmp_path)
    separator.train_separator(run)
    bank = load_model(run.model_folder).query_bank
    assert torch.equal(bank, torch.full((4, 8), 0.5))


def test_a_tagger_is_judged_where_it_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class JudgedError(Exception):
        pass

    def judge(query_net: torch.nn.Module, *_: Any) -> float:
        raise JudgedError(*{parameter.device.type for parameter in query_net.parameters()})

    run = experiment(tmp_path)
    monkeypatch.setattr(Experiment, "torch_device", "meta")
    monkeypatch.setattr(tagger, "average_precision_on", judge)
    with pytest.raises(JudgedError, match=r"^meta$"):
        tagger.train_tagger(run)


def test_the_moving_average_is_where_the_module_is() -> None:
    section = tones_recipe({"name": "hard"}).training
    module = TaggerSystem(torch.nn.Linear(2, 2), section, seed=0)
    average = MovingAverage(0.9)
    average.setup(None, module, "fit")  # type: ignore[arg-type]  # before Lightning moves the module
    module.to("meta")
    average.on_fit_start(None, module)  # type: ignore[arg-type]
    assert average._average_model is not None
    assert {one.device.type for one in average._average_model.module.parameters()} == {"meta"}
