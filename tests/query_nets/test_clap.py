"""CLAP as a query net against transformers' own, with audio and with text, and saved whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_hub import CLAP_FEATURES, clap_config, save_clap
from torch.nn import functional as F
from torch.testing import assert_close

from registry.conformance import check
from registry.errors import UserError
from uss_plugins.ecosystems import import_torchaudio, import_transformers
from uss_plugins.query_nets.clap import Clap
from uss_plugins.query_nets.resampling import Resample
from uss_plugins.query_nets.windows import window_starts

RATE = 48000
TEXTS = ["a dog barking", "rain", "two people speak while a siren wails"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Tiny weights in the hub's layout, without and with feature fusion."""
    folder = tmp_path_factory.mktemp("hub")
    return {fused: save_clap(folder / str(fused), fused) for fused in (False, True)}


def noise(samples: int, batch_size: int = 2) -> torch.Tensor:
    return 0.1 * torch.randn(batch_size, samples, generator=torch.Generator().manual_seed(1))


def odd_spectrogram() -> dict[str, Any]:
    """Settings of a net that takes another spectrogram than its front end makes."""
    settings = clap_config()
    settings["audio_config"]["num_mel_bins"] = 32
    return settings


def theirs(folder: Path, audio: torch.Tensor, longer: bool) -> torch.Tensor:
    """The unit embedding by transformers' model and feature extractor."""
    transformers = import_transformers()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    features = extractor(list(audio.numpy()), sampling_rate=RATE)["input_features"]
    model = transformers.ClapModel.from_pretrained(folder).eval()
    pooled = model.audio_model(
        input_features=torch.from_numpy(np.stack(features)).float(),
        is_longer=torch.full((len(audio), 1), longer),
    ).pooler_output
    return F.normalize(model.audio_projection(pooled), dim=1)


@torch.no_grad()
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("samples", [1, 20000, RATE])
def test_audio_as_transformers_embeds_it(
    fused: bool, samples: int, folders: dict[bool, Path]
) -> None:
    net = Clap(pretrained=str(folders[fused])).eval()
    audio = noise(samples)
    output = net(audio)
    assert_close(output.embedding, theirs(folders[fused], audio, False), atol=1e-4, rtol=0)
    assert (output.clip_probabilities, output.frame_probabilities) == (None, None)
    assert (net.sample_rate, net.class_names, net.embedding_size) == (RATE, (), 8)


@torch.no_grad()
def test_long_audio_is_heard_whole(
    folders: dict[bool, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = noise(int(2.3 * RATE))
    net = Clap(pretrained=str(folders[False])).eval()
    windows = [audio[:, start : start + RATE] for start in window_starts(audio.shape[1], RATE)]
    assert len(windows) == 3
    mean = torch.stack([theirs(folders[False], each, False) for each in windows]).mean(0)
    assert_close(net(audio).embedding, F.normalize(mean, dim=1), atol=1e-4, rtol=0)
    monkeypatch.setattr(np.random, "choice", lambda places: places[len(places) // 2])
    fused = Clap(pretrained=str(folders[True])).eval()
    expected = theirs(folders[True], audio, True)
    assert_close(fused(audio).embedding, expected, atol=1e-4, rtol=0)
    assert torch.equal(fused(audio).embedding, fused(audio).embedding)


@torch.no_grad()
def test_text_as_transformers_embeds_it(folders: dict[bool, Path]) -> None:
    transformers = import_transformers()
    net = Clap(pretrained=str(folders[False])).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders[False])
    tokens = tokenizer(TEXTS, padding=True, return_tensors="pt")
    expected = transformers.ClapModel.from_pretrained(folders[False]).eval()
    pooled = expected.text_model(
        input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
    ).pooler_output
    embedded = net.embed_text(TEXTS)
    assert_close(embedded, F.normalize(expected.text_projection(pooled), dim=1))
    alone = torch.cat([net.embed_text([text]) for text in TEXTS])
    assert_close(embedded, alone, atol=1e-5, rtol=0)
    assert_close(embedded.norm(dim=1), torch.ones(3))
    with pytest.raises(UserError, match="a text of 102 tokens is more than the 64 it reads"):
        net.embed_text(["dog" * 33 + "s"])


@pytest.mark.parametrize("fused", [False, True])
def test_it_keeps_the_contract(fused: bool, folders: dict[bool, Path]) -> None:
    assert check("query_net", Clap(16000, pretrained=str(folders[fused]))) == []


def test_only_what_hears_is_trained(folders: dict[bool, Path]) -> None:
    net = Clap(pretrained=str(folders[False])).requires_grad_()
    trained = {name.split(".")[1] for name, p in net.named_parameters() if p.requires_grad}
    assert trained == {"audio_model", "audio_projection"}
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())


@torch.no_grad()
@pytest.mark.parametrize("rates", [(16000, 48000), (44100, 16000), (32000, 48000), (8000, 8000)])
def test_resampling_as_torchaudio(rates: tuple[int, int]) -> None:
    for samples in (1, 7, 5001):
        audio = noise(samples)
        resampled = Resample(*rates)(audio)
        assert_close(resampled, import_torchaudio().functional.resample(audio, *rates))
        assert resampled.shape[1] == -(-samples * rates[1] // rates[0])
    assert Resample(*rates).state_dict() == {}


@torch.no_grad()
def test_another_rate_hears_the_same(folders: dict[bool, Path]) -> None:
    tone = torch.sin(2 * torch.pi * 700 * torch.arange(RATE) / RATE)[None]
    at_its_own = Clap(pretrained=str(folders[False])).eval()(tone).embedding
    resampled = Clap(16000, pretrained=str(folders[False])).eval()(tone[:, ::3]).embedding
    assert float((at_its_own * resampled).sum()) > 0.999


@torch.no_grad()
def test_its_files_and_its_weights_make_it_anew(folders: dict[bool, Path], tmp_path: Path) -> None:
    net = Clap(pretrained=str(folders[True])).eval()
    net.save_files(tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    again = Clap(pretrained="nobody/knows-this", files=tmp_path).eval()
    assert not torch.equal(again(noise(100)).embedding, net(noise(100)).embedding)
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(noise(90000)).embedding, net(noise(90000)).embedding)
    assert torch.equal(again.embed_text(TEXTS), net.embed_text(TEXTS))


def test_random_weights_by_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("building needs no network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    net = Clap(config=clap_config(fused=True), feature_extractor=CLAP_FEATURES)
    assert net.features.fusion
    assert net.features.max_samples == RATE
    assert net.extractor.truncation == "fusion"
    with pytest.raises(UserError, match="without a tokeniser; give 'pretrained'"):
        net.embed_text(["a dog"])
    net.save_files(tmp_path)
    assert Clap(files=tmp_path).tokenizer is None


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"config": {"projection_dm": 4}}, "unknown config.projection_dm; did you mean"),
        ({"config": {"audio_config": {"depth": 4}}}, "unknown config.audio_config.depth; did"),
        ({"config": {"projection_dim": "four"}}, "query net 'clap': config: "),
        ({"config": odd_spectrogram()}, "its config does not fit its feature extractor"),
        ({"feature_extractor": {"hop_len": 4}}, "unknown feature_extractor.hop_len; did you mean"),
        ({"pretrained": "not a name"}, "neither a folder nor a repository of the hub"),
        ({"pretrained": "a/b", "config": {"projection_dim": 4}}, "leave out pretrained"),
    ],
)
def test_mistakes_are_told_in_one_line(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as told:
        Clap(**parameters)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_the_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError) as told:
        Clap(pretrained="laion/clap-htsat-unfused@main")
    message = str(told.value)
    assert "\n" not in message
    assert "'laion/clap-htsat-unfused' is no folder here, and not to be had from the hub" in message
    assert "'hf download laion/clap-htsat-unfused --local-dir DIR' and give DIR" in message


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_damaged_files_are_told_in_one_line(damage: str, tmp_path: Path) -> None:
    folder = save_clap(tmp_path / "clap")
    (folder / damage).write_bytes(b"{ not what it was")
    with pytest.raises(UserError, match="query net 'clap': cannot read ") as told:
        Clap(pretrained=str(folder))
    assert "\n" not in str(told.value)


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    folder = save_clap(tmp_path / "clap")
    model = import_transformers().ClapModel.from_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="cannot read "):
        Clap(pretrained=str(folder))


def test_weights_of_another_net_are_refused(tmp_path: Path, folders: dict[bool, Path]) -> None:
    folder = save_clap(tmp_path / "clap")
    (folder / "model.safetensors").unlink()
    other = import_transformers().ClapModel.from_pretrained(folders[True])
    state = {k: v for k, v in other.state_dict().items() if not k.startswith("audio_projection")}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks weights \(audio_projection"):
        Clap(pretrained=str(folder))
