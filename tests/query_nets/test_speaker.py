"""SpeechBrain's speaker encoders as query nets: its embedding exactly, any length, weights from its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training.tiny_recipe import tiny_tree

from registry.conformance import check
from registry.contracts import LoadsPretrained
from registry.errors import UserError
from uss_plugins.compose import build_model
from uss_plugins.ecosystems import import_speechbrain
from uss_plugins.query_nets.speaker import (
    ExactStatistics,
    SpeakerNet,
    speechbrain_ecapa,
    speechbrain_xvector,
)
from uss_plugins.recipe import parse_recipe

SIZES: dict[str, Any] = {"embedding_size": 6, "mel_size": 20, "channels": [8, 8, 8, 8, 12]}
ECAPA: dict[str, Any] = {**SIZES, "attention_channels": 4, "se_channels": 4, "res2net_scale": 4}


def tiny(name: str, **parameters: Any) -> SpeakerNet:
    torch.manual_seed(0)
    if name == "speechbrain_ecapa":
        return speechbrain_ecapa(**{**ECAPA, **parameters}).eval()
    return speechbrain_xvector(**{**SIZES, **parameters}).eval()


def noise(batch: int, samples: int) -> Tensor:
    return 0.3 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(1))


def speechbrains_own(net: SpeakerNet, name: str) -> nn.Module:
    """SpeechBrain's network of the same sizes, with the same weights."""
    models = "speechbrain.lobes.models"
    if name == "speechbrain_ecapa":
        own = import_speechbrain(f"{models}.ECAPA_TDNN").ECAPA_TDNN(
            20,
            lin_neurons=6,
            channels=SIZES["channels"],
            attention_channels=4,
            se_channels=4,
            res2net_scale=4,
        )
    else:
        own = import_speechbrain(f"{models}.Xvector").Xvector(
            tdnn_channels=SIZES["channels"], lin_neurons=6, in_channels=20
        )
    own.load_state_dict(net.encoder.state_dict())
    return own.eval()  # type: ignore[no-any-return]


@torch.no_grad()
@pytest.mark.parametrize("name", ["speechbrain_ecapa", "speechbrain_xvector"])
def test_the_embedding_is_speechbrains(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pooling = import_speechbrain("speechbrain.nnet.pooling").StatisticsPooling
    monkeypatch.setattr(pooling, "_get_gauss_noise", lambda *_, **__: torch.zeros(()))
    features = import_speechbrain("speechbrain.lobes.features").Fbank(n_mels=20)
    normalise = import_speechbrain("speechbrain.processing.features").InputNormalization(
        norm_type="sentence", std_norm=False
    )
    audio = noise(2, 7777)
    for net in (tiny(name, normalise=False), tiny(name)):
        embedding = net(audio).embedding
        assert embedding is not None
        wanted = speechbrains_own(net, name)(normalise(features(audio))).squeeze(1)
        if net.normalise:
            wanted = wanted / wanted.square().mean(1, keepdim=True).sqrt()
            assert torch.allclose(embedding.square().mean(1), torch.ones(2))
        assert torch.allclose(embedding, wanted, rtol=1e-4, atol=1e-5)


def test_statistics_of_constants_have_gradients() -> None:
    frames = torch.ones(1, 5, 3, requires_grad=True)
    ExactStatistics()(frames).sum().backward()
    assert frames.grad is not None
    assert frames.grad.isfinite().all()


@pytest.mark.parametrize("name", ["speechbrain_ecapa", "speechbrain_xvector"])
@pytest.mark.parametrize("sample_rate", [8000, 22050])
def test_it_keeps_its_contract_and_tags_nothing(name: str, sample_rate: int) -> None:
    net = tiny(name, sample_rate=sample_rate)
    assert check("query_net", net) == []
    output = net(noise(3, 1))
    assert output.embedding is not None
    assert output.embedding.shape == (3, 6)
    assert (output.clip_probabilities, output.frame_probabilities) == (None, None)
    assert net.class_names == ()


@pytest.mark.parametrize("name", ["speechbrain_ecapa", "speechbrain_xvector"])
def test_weights_come_from_speechbrains_files(name: str, tmp_path: Path) -> None:
    given = tiny(name)
    torch.save(given.encoder.state_dict(), tmp_path / "embedding_model.ckpt")
    for path in (tmp_path, tmp_path / "embedding_model.ckpt"):
        net = tiny(name)
        nn.init.zeros_(next(net.encoder.parameters()))
        assert isinstance(net, LoadsPretrained)
        net.load_pretrained(path)
        assert torch.equal(net(noise(1, 900)).embedding, given(noise(1, 900)).embedding)  # type: ignore[arg-type]


def test_other_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    torch.save(tiny("speechbrain_ecapa").encoder.state_dict(), tmp_path / "embedding_model.ckpt")
    with pytest.raises(
        UserError, match=r"not the weights of this encoder .*such as: .* is not there"
    ):
        tiny("speechbrain_xvector").load_pretrained(tmp_path)
    wider = tiny("speechbrain_ecapa", embedding_size=7)
    with pytest.raises(UserError, match=r"2 differ, such as: fc.conv.weight is \(6,.*\), not \(7,"):
        wider.load_pretrained(tmp_path)
    with pytest.raises(UserError, match="gone: no such file"):
        tiny("speechbrain_xvector").load_pretrained(tmp_path / "gone")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"channels": [8, 8]}, "have 2, 5 and 5 layers; give each the same number"),
        ({"kernel_sizes": [5, 3, 2, 3, 1]}, r"kernel_sizes=\[5, 3, 2, 3, 1\] odd"),
        ({"channels": [8, 6, 8, 8, 12]}, r"\[6, 8, 8\], must be multiples of res2net_scale=4"),
        ({"channels": [8, 4, 8, 8, 12]}, r"all channels but the last must be equal"),
        ({"embedding_size": 0}, "embedding_size=0 at least 1"),
        ({"sample_rate": 10}, "sample_rate=10 must be at least 1000"),
    ],
)
def test_sizes_that_make_no_net_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        tiny("speechbrain_ecapa", **parameters)


@pytest.mark.parametrize("name", ["speechbrain_ecapa", "speechbrain_xvector"])
def test_soft_and_hard_say_why_not_and_the_others_compose(name: str) -> None:
    net = {"name": name, **(ECAPA if name == "speechbrain_ecapa" else SIZES), "sample_rate": 8000}

    def composed(**embedding: Any) -> Any:
        tree = {**tiny_tree(), "query_net": net, "embedding": embedding}
        return build_model(parse_recipe(tree, "tests"), ("a", "b"), ("/a", "/b"))

    for strategy in ("soft", "hard"):
        with pytest.raises(
            UserError, match=f"embedding strategy '{strategy}': the query net has no"
        ):
            composed(name=strategy)
    with pytest.raises(UserError, match="'learnable': the query net has no classes"):
        composed(name="learnable", source="soft")
    latent, learnable = composed(name="latent"), composed(name="learnable", condition_size=4)
    assert latent.query_bank.shape == (2, 6)
    assert learnable.query_bank.shape == (2, 4)
    assert latent.class_names == ("a", "b")
    assert latent.class_ids == ("/a", "/b")
    assert learnable.condition_from_audio(noise(3, 500)).shape == (3, 4)
