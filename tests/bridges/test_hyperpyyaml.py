"""A HyperPyYAML file builds any component by `!new:`, and what it builds becomes a model folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from distributions import Distribution, install
from hyperpyyaml import load_hyperpyyaml

from registry.errors import UserError
from uss_plugins.bridges.hyperpyyaml import save
from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.query_nets.panns import Panns
from uss_plugins.separation.folder import load_model
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separators.resunet import ResUNet

HPARAMS = """
sample_rate: 8000
class_names: [Speech, Bark, Siren]
corpus: !new:uss_plugins.bridges.hyperpyyaml.Corpus
    name: synthetic
    split: train
    clips: 4
    clip_seconds: 1.0
    sample_rate: !ref <sample_rate>
    classes: !ref <class_names>
query_net: !new:uss_plugins.bridges.hyperpyyaml.QueryNet
    name: cnn_small
    class_names: !ref <class_names>
    sample_rate: !ref <sample_rate>
    channels: [4, 4]
    embedding_size: 8
    mel_size: 16
embedding: !new:uss_plugins.bridges.hyperpyyaml.Embedding
    name: soft
    class_count: 3
separator: !new:uss_plugins.bridges.hyperpyyaml.Separator
    name: resunet_small
    condition_size: 3
    sample_rate: !ref <sample_rate>
    stage_channels: [4, 4]
    window_size: 256
    hop_size: 128
model: !new:uss_plugins.bridges.hyperpyyaml.Model
    query_net: !ref <query_net>
    embedding: !ref <embedding>
    separator: !ref <separator>
    corpus: !ref <corpus>
"""
BY_KIND = "!new:uss_plugins.bridges.hyperpyyaml"


def test_every_kind_is_built_and_composed() -> None:
    built = load_hyperpyyaml(HPARAMS)
    assert isinstance(built["query_net"], Panns)
    assert isinstance(built["embedding"], SoftEmbedding)
    assert isinstance(built["separator"], ResUNet)
    assert isinstance(built["model"], UniversalSeparator)
    assert len(built["corpus"]) == 4
    assert built["model"].class_names == built["corpus"].class_names == ("Speech", "Bark", "Siren")
    assert built["separator"].sample_rate == 8000
    assert built["model"].separator is built["separator"]


def test_a_component_that_is_a_class_can_be_named_itself() -> None:
    built = load_hyperpyyaml(
        "separator: !new:uss_plugins.separators.resunet.ResUNet\n"
        "    condition_size: 2\n    stage_channels: [4, 4]\n    window_size: 64\n    hop_size: 32\n"
        "embedding: !new:uss_plugins.embeddings.learnable.LearnableEmbedding\n"
        "    class_count: null\n    embedding_size: 4\n    condition_size: 2\n"
    )
    assert isinstance(built["separator"], ResUNet)
    assert built["embedding"].condition_size == 2


@pytest.mark.parametrize(
    ("kind", "name", "parameters"),
    [
        ("QueryNet", "speechbrain_ecapa", {"channels": [8, 8, 8, 8, 8]}),
        ("QueryNet", "speechbrain_xvector", {"channels": [8, 8, 8, 8, 8]}),
        ("Embedding", "hard", {"class_count": 3}),
        ("Embedding", "latent", {"embedding_size": 3}),
        ("Embedding", "learnable", {"class_count": None, "embedding_size": 3, "hidden_size": 4}),
        ("Separator", "asteroid_conv_tasnet", {"condition_size": 2, "n_filters": 8, "bn_chan": 4}),
        ("Separator", "speechbrain_sepformer", {"condition_size": 2, "encoder_out_nchannels": 8}),
        ("Separator", "speechbrain_resepformer", {"condition_size": 2, "encoder_out_nchannels": 8}),
    ],
)
def test_built_ins_of_all_families(kind: str, name: str, parameters: dict[str, Any]) -> None:
    values = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in parameters.items())
    component = load_hyperpyyaml(f"it: {BY_KIND}.{kind}\n    name: {name}\n{values}")["it"]
    assert component.recipe_section == {"name": name, **parameters}
    assert isinstance(component, torch.nn.Module)


def test_anyones_plug_in_is_built_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {
        "halves_for_yaml.py": (
            "import torch\nfrom registry import hookimpl\n\n"
            "class Halves(torch.nn.Module):\n"
            "    def __init__(self, condition_size: int, divisor: float = 2.0):\n"
            "        super().__init__()\n"
            "        self.sample_rate, self.channels = 8000, 1\n"
            "        self.condition_size, self.divisor = condition_size, divisor\n\n"
            "    def forward(self, mixture, condition):\n"
            "        return mixture / self.divisor\n\n"
            "@hookimpl\n"
            "def register_separators(register):\n"
            "    register('halves', 'halves_for_yaml:Halves', summary='divides')\n"
        )
    }
    site = install(
        tmp_path / "site",
        Distribution("halves", "1.0", modules, {"halves": "halves_for_yaml"}),
    )
    monkeypatch.syspath_prepend(str(site))
    separator = load_hyperpyyaml(
        f"it: {BY_KIND}.Separator\n    name: halves\n    condition_size: 2\n    divisor: 4.0\n"
    )["it"]
    assert separator(torch.ones(1, 1, 3), torch.zeros(1, 2)).tolist() == [[[0.25] * 3]]


def test_a_mistake_is_told_as_in_a_recipe() -> None:
    with pytest.raises(UserError, match=r"unknown parameter 'chanels'; did you mean channels"):
        load_hyperpyyaml(f"it: {BY_KIND}.QueryNet\n    name: cnn_small\n    chanels: [4, 4]\n")
    with pytest.raises(UserError, match=r"no separator 'resunet_smal' is registered"):
        load_hyperpyyaml(f"it: {BY_KIND}.Separator\n    name: resunet_smal\n")


@torch.no_grad()
def test_what_was_built_becomes_a_model_folder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    built = load_hyperpyyaml(HPARAMS)
    model: Any = built["model"]
    model.query_bank.copy_(torch.eye(3))
    save(model, tmp_path / "model", corpus=built["corpus"], steps=7)
    again = load_model(tmp_path / "model")
    mixture, condition = torch.randn(2, 1, 3000), torch.rand(2, 3)
    assert torch.equal(again(mixture, condition), model.eval()(mixture, condition))
    assert torch.equal(again.query_bank, model.query_bank)
    assert again.class_ids == model.class_ids
    model.separator = ResUNet(
        condition_size=3, sample_rate=8000, stage_channels=(4, 4), window_size=64, hop_size=32
    )
    with pytest.raises(UserError, match="separator ResUNet: how it was built is not known"):
        save(model, tmp_path / "other", corpus=built["corpus"], steps=7)
