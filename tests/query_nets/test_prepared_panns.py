"""The PANNs' form for inference against the module it is made from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from registry.contracts import PreparableQueryNet, QueryOutput
from uss_plugins import prepared_layers
from uss_plugins.query_nets import prepared_panns
from uss_plugins.query_nets.panns_network import Panns

NAMES = ("a", "b", "c")
PARTS = ("clip_probabilities", "frame_probabilities", "embedding")


def trained(head: str = "clip", **changes: object) -> Panns:
    """A small net whose batch norms are as far from 1 and 0 as a training leaves them."""
    torch.manual_seed(0)
    net = Panns(8000, NAMES, head=head, **({"channels": (4, 8, 8), "mel_size": 16} | changes))  # type: ignore[arg-type]
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            assert module.running_mean is not None
            module.running_mean.normal_(std=0.2)
    return net.eval()


def sounds(*shape: int) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def assert_same(heard: QueryOutput, exact: QueryOutput) -> None:
    for part in PARTS:
        ours, theirs = getattr(heard, part), getattr(exact, part)
        if theirs is None:
            assert ours is None
        else:
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layers", ["fused", "plain"])
@pytest.mark.parametrize("head", ["clip", "decision_level_max"])
@pytest.mark.parametrize("samples", [1, 3001, 8000])
@torch.no_grad()
def test_hears_what_the_module_hears(
    monkeypatch: pytest.MonkeyPatch, layers: str, head: str, samples: int
) -> None:
    if layers == "plain":
        monkeypatch.setattr(prepared_layers, "has_fused_layers", lambda device: False)
    net, audio = trained(head), sounds(3, samples)
    assert isinstance(net, PreparableQueryNet)
    assert_same(net.prepare()(audio), net(audio))


@torch.no_grad()
def test_follows_the_modules_weights() -> None:
    net, audio = trained(), sounds(1, 4000)
    prepared = net.prepare()
    before = prepared(audio)
    net.get_submodule("conv_block2").get_submodule("bn1").weight.mul_(2)  # type: ignore[operator]
    exact = net(audio)
    assert not torch.equal(before.embedding, exact.embedding)  # type: ignore[arg-type]
    assert_same(prepared(audio), exact)


def test_computes_all_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []

    @contextmanager
    def marked(device: torch.device) -> Iterator[None]:
        inside.append(True)
        yield
        inside.pop()

    monkeypatch.setattr(prepared_panns, "whole_float32", marked)
    net, seen = trained(), []
    for step in ("scaled_log_mel", "hear"):
        made = getattr(net, step)
        monkeypatch.setattr(
            net, step, lambda *given, made=made: seen.append(list(inside)) or made(*given)
        )
    net.prepare()(sounds(1, 4000))
    assert seen == [[True], [True]]
    assert inside == []


def test_serves_calls_inside_and_outside_of_inference_mode() -> None:
    prepared, audio = trained().prepare(), sounds(1, 4000)
    with torch.inference_mode():
        inside = prepared(audio)
    outside = prepared(audio)
    assert inside.embedding is not None
    assert outside.embedding is not None
    assert torch.equal(inside.embedding, outside.embedding)
    assert not outside.embedding.requires_grad
