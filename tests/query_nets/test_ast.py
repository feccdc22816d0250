"""AST as a tagger against transformers' own, and the classes it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_hub import AST_CONFIG, AST_FEATURES, save_ast
from torch.testing import assert_close

from registry.conformance import check
from registry.errors import UserError
from uss_plugins.ecosystems import import_transformers
from uss_plugins.labels.audioset import classes
from uss_plugins.query_nets.ast import Ast

RATE = 16000
WINDOW = 97 * 160 + 400
"""Samples that the tiny net hears at once."""
NAMES = tuple(one.name for one in classes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny weights of 527 classes without names, in the hub's layout."""
    return save_ast(tmp_path_factory.mktemp("hub"))


def noise(samples: int, batch_size: int = 2) -> torch.Tensor:
    return 0.1 * torch.randn(batch_size, samples, generator=torch.Generator().manual_seed(1))


def theirs(folder: Path, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and hidden state by transformers' model and feature extractor."""
    transformers = import_transformers()
    extractor = transformers.ASTFeatureExtractor.from_pretrained(folder)
    values = extractor(list(audio.numpy()), sampling_rate=RATE)["input_values"]
    model = transformers.ASTForAudioClassification.from_pretrained(folder).eval()
    values = torch.from_numpy(np.stack(values))
    hidden = model.audio_spectrogram_transformer(values).pooler_output
    return model(values).logits.sigmoid(), hidden


@torch.no_grad()
@pytest.mark.parametrize("samples", [400, 9999, WINDOW])
def test_what_transformers_hears(samples: int, folder: Path) -> None:
    net = Ast(pretrained=str(folder)).eval()
    output = net(noise(samples))
    probabilities, hidden = theirs(folder, noise(samples))
    assert_close(output.clip_probabilities, probabilities, atol=1e-4, rtol=0)
    assert_close(output.embedding, hidden, atol=1e-3, rtol=0)
    assert output.frame_probabilities is None
    assert (net.class_names, net.embedding_size, net.frames_per_second) == (NAMES, 16, None)


@torch.no_grad()
def test_long_audio_is_heard_whole(folder: Path) -> None:
    audio = noise(2 * WINDOW + 10)
    starts = (0, (WINDOW + 10) // 2, WINDOW + 10)
    windows = [theirs(folder, audio[:, start : start + WINDOW]) for start in starts]
    output = Ast(pretrained=str(folder)).eval()(audio)
    loudest = torch.stack([probabilities for probabilities, _ in windows]).amax(0)
    assert_close(output.clip_probabilities, loudest, atol=1e-4, rtol=0)
    mean = torch.stack([hidden for _, hidden in windows]).mean(0)
    assert_close(output.embedding, mean, atol=1e-3, rtol=0)


@torch.no_grad()
def test_the_classes_it_is_asked_for_in_their_order(folder: Path) -> None:
    wanted = ("Siren", "Bark", "speech")
    net = Ast(class_names=wanted, pretrained=str(folder)).eval()
    rows = [NAMES.index(name) for name in ("Siren", "Bark", "Speech")]
    probabilities, _ = theirs(folder, noise(8000))
    assert_close(net(noise(8000)).clip_probabilities, probabilities[:, rows], atol=1e-4, rtol=0)
    assert net.class_names == wanted


def test_labels_name_the_classes(tmp_path: Path) -> None:
    few = save_ast(tmp_path / "few", dict(enumerate(("cat", "dog", "cow"))))
    assert Ast(pretrained=str(few)).class_names == ("cat", "dog", "cow")
    with pytest.raises(UserError, match="does not tag 1 of 2 classes, such as 'horse'"):
        Ast(pretrained=str(few), class_names=("cow", "horse"))
    with pytest.raises(UserError, match="does not tag 0 of 0 classes"):
        Ast(pretrained=str(few), class_names=())
    named = save_ast(tmp_path / "named", dict(enumerate(NAMES)))
    assert Ast(pretrained=str(named)).class_names == NAMES
    swapped = save_ast(tmp_path / "swapped", dict(enumerate((NAMES[1], NAMES[0], *NAMES[2:]))))
    with pytest.raises(UserError, match="as class 0, which AudioSet has as 1"):
        Ast(pretrained=str(swapped))


def test_it_keeps_the_contract(folder: Path) -> None:
    assert check("query_net", Ast(32000, ("Bark", "Siren"), pretrained=str(folder))) == []


@torch.no_grad()
def test_its_files_and_its_weights_make_it_anew(folder: Path, tmp_path: Path) -> None:
    net = Ast(class_names=("Bark", "Siren"), pretrained=str(folder)).eval()
    net.save_files(tmp_path)
    again = Ast(class_names=("Bark", "Siren"), pretrained="gone", files=tmp_path).eval()
    again.load_state_dict(net.state_dict())
    ours, expected = again(noise(5000)), net(noise(5000))
    assert torch.equal(ours.clip_probabilities, expected.clip_probabilities)
    assert torch.equal(ours.embedding, expected.embedding)
    assert Ast(files=tmp_path).class_names == ("Bark", "Siren")


def test_random_weights_by_settings() -> None:
    net = Ast(config=AST_CONFIG, feature_extractor=AST_FEATURES)
    assert net.class_names == NAMES
    assert (net.features.max_frames, net.features.mel_size) == (98, 32)
    assert net(noise(1)).clip_probabilities.shape == (2, 527)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"config": {"hiden_size": 4}}, "unknown config.hiden_size; did you mean hidden_size"),
        ({"config": {"num_labels": 4}}, "config.num_labels follows from class_names; give that"),
        ({"config": {"max_length": 4}}, "follows from feature_extractor.max_length; give that"),
        ({"config": {**AST_CONFIG, "patch_size": 2000}}, "config makes no net|does not fit"),
        ({"class_names": ()}, "class_names is empty"),
        ({"pretrained": "a/b", "feature_extractor": {"std": 1.0}}, "leave out pretrained"),
        ({"pretrained": "../nowhere/at/all"}, "neither a folder nor a repository"),
    ],
)
def test_mistakes_are_told_in_one_line(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as told:
        Ast(**parameters)
    assert "\n" not in str(told.value)
