"""A model's folder gives the model back, bit for bit; a broken one is refused in one line."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from training.two_tones import RATE, TwoTones, tones_model, tones_recipe

from registry.errors import UserError
from uss_plugins.separation.folder import load_model, load_query_net, save_model

FILES = {"recipe.yaml", "weights.safetensors", "classes.csv"}
STRATEGIES = ["hard", "soft", "latent", "learnable"]


def saved(folder: Path, strategy: str) -> Path:
    """The folder of a model whose weights, statistics and bank are all random."""
    recipe = tones_recipe({"name": strategy})
    model = tones_model(recipe)
    generator = torch.Generator().manual_seed(1)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) * 0.2 + 0.1)
    save_model(model, folder, recipe)
    return folder


@pytest.fixture(scope="module")
def soft_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("folder") / "soft", "soft")


@pytest.fixture
def folder(soft_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(soft_folder, tmp_path / "model"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_loaded_model_separates_bit_for_bit_alike(strategy: str, tmp_path: Path) -> None:
    saved(tmp_path / "a", strategy)
    model = load_model(tmp_path / "a")
    save_model(model, tmp_path / "b", tones_recipe({"name": strategy}))
    again = load_model(str(tmp_path / "b"))
    assert not again.training
    assert not any(part.training for part in again.modules())
    audio = torch.rand(2, RATE, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.no_grad():
        conditions = [one.condition_from_audio(audio, torch.eye(2)) for one in (model, again)]
        estimates = [one(audio[:, None], conditions[0]) for one in (model, again)]
    assert torch.equal(*conditions)
    assert torch.equal(*estimates)
    assert estimates[0].abs().sum() > 0
    assert torch.equal(model.query_bank, again.query_bank)
    assert again.class_names == TwoTones.class_names
    assert again.class_ids == TwoTones.class_ids
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


def test_a_folder_holds_plain_files_and_no_pickle(soft_folder: Path) -> None:
    assert {path.name for path in soft_folder.iterdir()} == FILES
    tree = yaml.safe_load((soft_folder / "recipe.yaml").read_text(encoding="utf-8"))
    assert tree["separator"]["stage_channels"] == [4, 4]
    with (soft_folder / "classes.csv").open(encoding="utf-8", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [("0", "/m/low", "low"), ("1", "/m/high", "high")]
    content = (soft_folder / "weights.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header.keys() == load_model(soft_folder).state_dict().keys()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def add_tensor(path: Path) -> None:
    save_file({**load_file(path), "separator.extra": torch.zeros(3)}, path)


def drop_tensors(path: Path) -> None:
    state = load_file(path)
    save_file({key: state[key] for key in state if "film" not in key}, path)


def widen(path: Path) -> None:
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree["separator"]["stage_channels"] = [4, 6]
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")


def drop_last_class(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


BREAKAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "cut": ("weights.safetensors", cut, "cannot read the weights (.*); train or copy it again"),
    "no weights": (
        "weights.safetensors",
        lambda path: path.write_text("<html>not found</html>"),
        "cannot read the weights (.*); train or copy it again",
    ),
    "foreign": ("weights.safetensors", add_tensor, "separator.extra is not known"),
    "missing": ("weights.safetensors", drop_tensors, r"film.bias is missing.* and \d+ more"),
    "changed recipe": ("recipe.yaml", widen, r" is \(4,.*\), not \(6,.*the recipe or the weights"),
    "unknown key": (
        "recipe.yaml",
        lambda path: path.write_text(path.read_text() + "\nsepparator: {}\n"),
        r"unknown key 'sepparator' \(did you mean separator",
    ),
    "unknown component": (
        "recipe.yaml",
        lambda path: path.write_text(path.read_text().replace("resunet_small", "resunet_smal")),
        "resunet_smal.*resunet_small",
    ),
    "fewer classes": ("classes.csv", drop_last_class, r"query_bank is \(2, 2\), not \(1, 1\)"),
    "no classes": ("classes.csv", lambda path: path.write_text(""), "class_names is empty"),
    "other columns": (
        "classes.csv",
        lambda path: path.write_text("a,b\n1,2\n"),
        "needs the columns index, id and name in every row",
    ),
    "no text": (
        "classes.csv",
        lambda path: path.write_bytes(b"index,id,name\n0,\xff,\xfe\n"),
        "not a CSV in UTF-8",
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_folder_is_refused_in_one_line(breakage: str, folder: Path) -> None:
    name, break_file, message = BREAKAGES[breakage]
    break_file(folder / name)
    with pytest.raises(UserError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(UserError) as caught:
        load_model(folder)
    assert str(caught.value) == (
        f"{folder}: not a model folder ({name} is missing); give one that 'train' has finished"
    )


def test_no_folder_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone: not a model folder \(recipe.yaml is missing\)"):
        load_query_net(tmp_path / "gone")
