"""The ResUNet's form for inference against the module it is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from registry.contracts import Preparable
from uss_plugins import prepared_layers
from uss_plugins.separators import prepared
from uss_plugins.separators.prepared import PreparedResUNet
from uss_plugins.separators.prepared_blocks import Span, frames_of
from uss_plugins.separators.resunet import ResUNet, resunet30, resunet60, resunet_small

CONDITION_SIZE = 5
BOUNDS = {torch.float32: 1e-5, torch.bfloat16: 6e-2}
"""Relative errors; of bfloat16 in nets of a few channels, whose roundings do not average out."""

PAPER_BOUNDS = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


def trained(factory: Callable[..., ResUNet] = resunet_small, **changes: object) -> ResUNet:
    """A small net whose batch norms are as far from 1 and 0 as a training leaves them."""
    torch.manual_seed(0)
    sizes: dict[str, object] = {"stage_channels": (8, 16, 16), "window_size": 64, "hop_size": 16}
    net = factory(condition_size=CONDITION_SIZE, **(sizes | changes))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.5, 2.0)
    return net.eval()


def sounds(*shape: int, seed: int = 1) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def conditions(count: int) -> Tensor:
    return torch.rand(count, CONDITION_SIZE, generator=torch.Generator().manual_seed(2))


def error(estimate: Tensor, exact: Tensor) -> float:
    """Relative, over all samples."""
    return float((estimate - exact).norm() / exact.norm())


@torch.no_grad()
def errors(net: ResUNet, mixture: Tensor, condition: Tensor) -> dict[torch.dtype, float]:
    exact = net(mixture, condition)
    return {p: error(net.prepare(p)(mixture, condition), exact) for p in BOUNDS}


def assert_near(
    net: ResUNet,
    mixture: Tensor,
    condition: Tensor,
    bounds: Mapping[torch.dtype, float] = BOUNDS,
) -> None:
    for precision, found in errors(net, mixture, condition).items():
        assert found <= bounds[precision], precision


@pytest.fixture(params=["fused", "plain"])
def layers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With oneDNN's layers, and with those of devices that lack them."""
    if request.param == "plain":
        for module in (prepared, prepared_layers):
            monkeypatch.setattr(module, "has_fused_layers", lambda device: False)
    return str(request.param)


@pytest.mark.parametrize("samples", [1, 33, 1000, 1601, 4096])
def test_lengths(layers: str, samples: int) -> None:
    assert_near(trained(), sounds(2, 1, samples), conditions(2))


@pytest.mark.parametrize("factory", [resunet30, resunet60, resunet_small])
@pytest.mark.parametrize("channels", [1, 2])
def test_depths_and_channels(layers: str, factory: Callable[..., ResUNet], channels: int) -> None:
    net = trained(factory, channels=channels)
    assert_near(net, sounds(2, channels, 1500), conditions(2))


@pytest.mark.parametrize("input_power", [0.3, 1.0, 2.0])
def test_input_powers(layers: str, input_power: float) -> None:
    assert_near(trained(input_power=input_power), sounds(1, 1, 900), conditions(1))


@torch.no_grad()
def test_a_trained_transform_in_the_place_of_the_stft() -> None:
    net = trained(filterbank={"name": "free"})
    exact = net(sounds(1, 1, 900), conditions(1))
    assert error(net.prepare()(sounds(1, 1, 900), conditions(1)), exact) <= 1e-5


@pytest.mark.parametrize("stage_channels", [(8,), (16, 8), (8, 8, 24)])
def test_widths(layers: str, stage_channels: tuple[int, ...]) -> None:
    assert_near(trained(stage_channels=stage_channels), sounds(1, 1, 900), conditions(1))


def test_the_papers_size() -> None:
    net = trained(
        resunet30, stage_channels=(32, 64, 128, 256, 384, 384), window_size=2048, hop_size=320
    )
    assert_near(net, sounds(1, 1, 16000), conditions(1), PAPER_BOUNDS)


@pytest.mark.parametrize("blocks_per_stage", [1, 2])
def test_strips_make_the_same_as_the_whole(
    monkeypatch: pytest.MonkeyPatch, blocks_per_stage: int
) -> None:
    """Of 16 frames; there are 64, 32 and 16 in the stages. What is kept between calls does not show."""
    net = trained(blocks_per_stage=blocks_per_stage)
    mixture, condition = sounds(1, 1, 1000), conditions(1)
    monkeypatch.setattr(prepared, "STRIP_BYTES", 1)
    monkeypatch.setattr(prepared, "STRIP_MULTIPLE", 16)
    assert_near(net, mixture, condition)
    separator = net.prepare()
    first, _, again = (separator(one, condition) for one in (mixture, mixture.flip(-1), mixture))
    assert torch.equal(first, again)
    assert len(separator._buffers) == 2 * blocks_per_stage + 2 * (blocks_per_stage - 1)


def test_all_conditions_of_a_mixture(layers: str) -> None:
    """Three conditions of one mixture and one of another: each item is what it is alone."""
    net = trained()
    one, other = sounds(1, 1, 800), sounds(1, 1, 800, seed=3)
    mixture, condition = torch.cat((one, one, other, one)), conditions(4)
    assert_near(net, mixture, condition)
    separator = net.prepare()
    for index, estimate in enumerate(separator(mixture, condition)):
        alone = separator(mixture[index : index + 1], condition[index : index + 1])[0]
        torch.testing.assert_close(estimate, alone, rtol=1e-4, atol=1e-7)


def transforms_of(net: ResUNet) -> list[int]:
    """Gets the batch size of every mixture that is transformed from now on."""
    transformed: list[int] = []
    net.stft.register_forward_hook(lambda _, inputs, __: transformed.append(len(inputs[0])))
    return transformed


def test_a_mixture_in_a_row_is_transformed_once() -> None:
    net = trained()
    transformed = transforms_of(net)
    separator = net.prepare()
    one, other = sounds(1, 1, 800), sounds(1, 1, 800, seed=3)
    separator(torch.cat((one, one, other)), conditions(3))
    assert transformed == [1, 1]
    separator(other, conditions(1))
    separator(other.clone(), conditions(2)[1:])
    assert transformed == [1, 1]
    separator(one, conditions(1))
    assert transformed == [1, 1, 1]


def test_what_goes_through_as_a_whole_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU, a comparison would hold up the host."""
    for module in (prepared, prepared_layers):
        monkeypatch.setattr(module, "has_fused_layers", lambda device: False)
    monkeypatch.delattr(torch, "equal")
    net = trained()
    transformed = transforms_of(net)
    separator = net.prepare()
    for _ in range(2):
        separator(sounds(1, 1, 800).expand(3, -1, -1), conditions(3))
    assert transformed == [3, 3]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 2])
def test_plain_layers_see_one_layout(
    channels: int, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU would convert others, at every convolution."""
    for module in (prepared, prepared_layers):
        monkeypatch.setattr(module, "has_fused_layers", lambda device: False)
    strides: list[int] = []
    call = prepared_layers.PlainLayer.__call__

    def seeing(self: Any, x: Tensor, *rest: Any, **more: Any) -> Any:
        into = more.get("into")
        strides.extend(one.stride(1) for one in (x, into) if one is not None)
        return call(self, x, *rest, **more)

    monkeypatch.setattr(prepared_layers.PlainLayer, "__call__", seeing)
    trained(channels=channels).prepare(precision)(sounds(2, channels, 1500), conditions(2))
    # What the net takes may have one channel, whose stride is anything.
    assert set(strides[channels == 1 :]) == {1}
    kernel = prepared_layers.channels_last(torch.zeros(4, channels, 1, 1))
    assert kernel.stride() == (channels, 1, channels, channels)


def test_computes_all_without_tf32(layers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []

    @contextmanager
    def marked(device: torch.device) -> Iterator[None]:
        inside.append(True)
        yield
        inside.pop()

    monkeypatch.setattr(prepared, "whole_float32", marked)
    net, seen = trained(), []
    net.stft.register_forward_hook(lambda *_: seen.append(list(inside)))
    made = PreparedResUNet._net
    monkeypatch.setattr(
        PreparedResUNet, "_net", lambda *given: seen.append(list(inside)) or made(*given)
    )
    net.prepare()(sounds(1, 1, 800), conditions(1))
    assert seen == [[True], [True]]
    assert inside == []


def test_biases_are_computed_once_for_a_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    separator = trained().prepare()
    condition = conditions(1)
    separator(sounds(1, 1, 500), condition)
    kept = dict(separator._cached)
    separator(sounds(1, 1, 600), condition.clone())
    assert {key: id(row) for key, row in separator._cached.items()} == {
        key: id(row) for key, row in kept.items()
    }
    changed = separator(sounds(1, 1, 600), condition.mul_(0.5))
    assert len(separator._cached) == 2
    monkeypatch.setattr(prepared, "KEPT_CONDITIONS", 1)
    torch.testing.assert_close(separator(sounds(1, 1, 600), condition), changed)
    assert len(separator._cached) == 1


@pytest.mark.parametrize("change", ["in place", "state", "replaced", "statistics"])
def test_follows_the_modules_weights(layers: str, change: str) -> None:
    net = trained()
    separator = net.prepare()
    mixture, condition = sounds(1, 1, 900), conditions(1)
    before = separator(mixture, condition)
    with torch.no_grad():
        if change == "in place":
            net.decoder[0].upsample.weight.mul_(1.5)  # type: ignore[union-attr,operator]
        elif change == "state":
            net.load_state_dict({k: v * 0.9 for k, v in net.state_dict().items()})
        elif change == "replaced":
            net.output_conv.weight = nn.Parameter(net.output_conv.weight * 2)
        else:
            net.train()(mixture, condition)
            net.eval()
        exact = net(mixture, condition)
    assert error(before, exact) > 1e-3
    assert error(separator(mixture, condition), exact) <= 1e-5


def test_the_module_is_not_changed_and_trains_on() -> None:
    net = trained()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    separator = net.prepare(torch.bfloat16)
    separator(sounds(1, 1, 500), conditions(1))
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    net.train()(sounds(2, 1, 500), conditions(2)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_estimates_are_ordinary_tensors_from_inference_mode_too() -> None:
    """What is kept between calls serves calls inside and outside of inference mode."""
    net = trained(stage_channels=(8, 8))
    separator = net.prepare()
    mixture, condition = sounds(1, 1, 500), conditions(1)
    with torch.inference_mode():
        inside = separator(mixture, condition)
    outside = separator(mixture, condition)
    assert torch.equal(inside, outside)
    assert not inside.is_inference()
    assert not outside.requires_grad


def test_silence_gives_exact_silence(layers: str) -> None:
    for precision in BOUNDS:
        estimate = trained().prepare(precision)(torch.zeros(1, 1, 500), conditions(1))
        assert torch.equal(estimate, torch.zeros(1, 1, 500))


def test_autocast_around_it_changes_nothing() -> None:
    separator = trained().prepare()
    mixture, condition = sounds(1, 1, 500), conditions(1)
    with torch.autocast("cpu", torch.bfloat16):
        inside = separator(mixture, condition)
    assert torch.equal(inside, separator(mixture, condition))


def test_declares_what_a_separator_declares() -> None:
    net = trained(channels=2)
    separator = net.prepare()
    assert isinstance(net, Preparable)
    assert isinstance(separator, PreparedResUNet)
    assert (separator.sample_rate, separator.channels, separator.condition_size) == (16000, 2, 5)


def test_spans_at_the_ends_and_between() -> None:
    assert Span(0, 8, 20).wider(2) == Span(0, 10, 20)
    assert Span(8, 16, 20).wider(2) == Span(6, 18, 20)
    assert Span(16, 20, 20).wider(2) == Span(14, 20, 20)
    assert Span(7, 17, 20).within(Span(6, 18, 20)) == Span(1, 11, 12)
    assert Span(6, 18, 20).divided(2) == Span(3, 9, 10)


def test_frames_are_a_dense_view() -> None:
    x = torch.randn(1, 3, 10, 4).contiguous(memory_format=torch.channels_last)
    part = frames_of(x, Span(2, 5, 10))
    assert torch.equal(part, x[:, :, 2:5])
    assert part.stride() == (36, 1, 12, 3)
    part.zero_()
    assert not x[:, :, 2:5].any()
    assert frames_of(x, Span(0, 10, 10)) is x
