"""A subclass of SpeechBrain's `Pretrained` loads a model folder and separates as the command line does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from separation.conftest import CLASS_IDS, CLASS_NAMES, RECIPE
from torch import Tensor

from registry.errors import UserError
from uss_plugins.bridges.speechbrain import Pretrained, Separation
from uss_plugins.compose import build_model, settle_sample_rate
from uss_plugins.recipe import parse_recipe
from uss_plugins.separation.folder import load_model, save_model

RATE = 16000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of four classes."""
    path = tmp_path_factory.mktemp("pretrained") / "model"
    recipe = settle_sample_rate(parse_recipe(RECIPE, "tests"), RATE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(recipe, CLASS_NAMES, CLASS_IDS)
    model.query_bank.copy_(torch.eye(len(CLASS_NAMES)))
    save_model(model, path, recipe)
    return path


@pytest.fixture(scope="module")
def separation(folder: Path) -> Separation:
    return Separation.from_hparams(folder, run_opts={"device": "cpu"}, savedir="unused")


def noise(batch: int, samples: int) -> Tensor:
    return 0.3 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(1))


def test_it_is_one_of_speechbrains_interfaces(separation: Separation) -> None:
    assert isinstance(separation, Pretrained)
    assert type(separation).__mro__[1].__module__ == "speechbrain.inference.interfaces"
    assert not any(parameter.requires_grad for parameter in separation.parameters())
    assert separation.hparams.sample_rate == RATE
    assert separation.device == "cpu"


def test_a_batch_is_separated_by_classes(separation: Separation, folder: Path) -> None:
    mix, model = noise(2, 5000), load_model(folder)
    parts = separation.separate_batch(mix, classes=["Siren", "/m/09x0r"])
    assert parts.shape == (2, 5000, 2)
    with torch.no_grad():
        for place, row in enumerate((1, 0)):
            wanted = model(mix[:, None], model.query_bank[[row, row]])[:, 0]
            assert torch.allclose(parts[..., place], wanted, atol=1e-6)
    everything = separation(mix)
    assert everything.shape == (2, 5000, 4)
    assert torch.allclose(everything[..., 1], parts[..., 0], atol=1e-6)


@torch.no_grad()
def test_a_class_without_anchors_is_asked_for_by_what_is_heard_of_it(folder: Path) -> None:
    separation, mix = Separation.from_hparams(folder), noise(2, 5000)
    known = separation(mix)
    model = separation.model
    model.query_bank[1] = 0.0
    parts = separation(mix)
    assert torch.equal(parts[..., [0, 2, 3]], known[..., [0, 2, 3]])  # these keep their means
    mask = torch.eye(len(CLASS_NAMES))[[1, 1]]
    condition = model.condition_from_mask(model.listen(mix), mask)
    assert torch.allclose(parts[..., 1], model(mix[:, None], condition)[:, 0], atol=1e-6)


@torch.no_grad()
def test_a_class_that_latent_conditions_do_not_know_is_left_out(tmp_path: Path) -> None:
    recipe = settle_sample_rate(parse_recipe({**RECIPE, "embedding": {"name": "latent"}}, ""), RATE)
    model = build_model(recipe, CLASS_NAMES, CLASS_IDS)
    model.query_bank[[0, 3]] = torch.rand(2, model.condition_size)
    save_model(model, tmp_path / "model", recipe)
    separation, mix = Separation.from_hparams(tmp_path / "model"), noise(1, 900)
    assert torch.equal(separation(mix), separation(mix, classes=[CLASS_NAMES[0], CLASS_NAMES[3]]))
    with pytest.raises(UserError, match=r"no condition for Siren, which had no anchors .*a query$"):
        separation(mix, classes=["Speech", "Siren"])
    separation.model.query_bank.zero_()
    with pytest.raises(UserError, match="nothing to extract"):
        separation(mix)


def test_a_file_of_any_rate_is_separated_by_an_example(
    separation: Separation, folder: Path, tmp_path: Path
) -> None:
    stereo = np.stack([noise(1, 4000)[0].numpy()] * 2, axis=1)
    soundfile.write(tmp_path / "mix.wav", stereo, 8000)
    soundfile.write(tmp_path / "voice.wav", noise(1, RATE)[0].numpy(), RATE, subtype="FLOAT")
    parts = separation.separate_file(tmp_path / "mix.wav", query=tmp_path / "voice.wav")
    assert parts.shape == (1, 8000, 1)
    model = load_model(folder)
    audio = separation.load_audio(str(tmp_path / "mix.wav"))
    assert audio.shape == (8000,)
    with torch.no_grad():
        condition = model.condition_from_audio(noise(1, RATE))
        wanted = model(audio[None, None], condition)[0, 0]
    assert torch.allclose(parts[0, :, 0], wanted, atol=1e-5)


def test_mistakes_are_told_in_one_line(separation: Separation, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean Siren"):
        separation.separate_batch(noise(1, 100), classes=["Sirene"])
    with pytest.raises(UserError, match="give one of them"):
        separation.separate_batch(noise(1, 100), classes=["Siren"], query="a.wav")
    (tmp_path / "recipe.yaml").write_text("corpus: 1\n")
    with pytest.raises(UserError, match="not a model folder"):
        Separation.from_hparams(tmp_path)


def test_speechbrains_own_hyper_parameters_build_it_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "hyperparams.yaml").write_text(
        "sample_rate: 16000\n"
        "model: !apply:uss_plugins.separation.folder.load_model\n"
        f"    folder: {folder}\n"
        "modules:\n    model: !ref <model>\n"
        "pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer\n"
    )
    separation = Separation.from_hparams(str(tmp_path))
    assert separation.separate_batch(noise(1, 900), classes=["Siren"]).shape == (1, 900, 1)
