"""What running something costs, against counts by hand."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from uss_plugins.benchmarking.measures import (
    added_memory_bytes,
    giga_macs,
    median_seconds,
    parameter_count,
    peak_memory_bytes,
    reset_peak_memory,
)
from uss_plugins.separators.resunet import resunet_small

GRADIENTS: dict[str, Callable[[], object]] = {
    "gradients": torch.enable_grad,
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
}


@pytest.fixture(params=GRADIENTS)
def mode(request: pytest.FixtureRequest) -> Callable[[], object]:
    """A context in which a module may be run."""
    return GRADIENTS[request.param]


def forward_macs(module: nn.Module, inputs: Tensor, mode: Callable[[], object]) -> float:
    module.eval()
    with mode():  # type: ignore[attr-defined]
        return giga_macs(lambda: module(inputs)) * 1e9


def test_parameters_count_shared_ones_once_and_no_buffers() -> None:
    layer = nn.Linear(3, 5)
    assert parameter_count(nn.Sequential(layer, layer, nn.BatchNorm1d(5))) == 3 * 5 + 5 + 2 * 5


def test_trained_parameters_leave_out_the_frozen() -> None:
    layer = nn.Linear(3, 5)
    layer.bias.requires_grad_(False)
    assert parameter_count(layer, trained_only=True) == 15
    assert parameter_count(layer) == 20


def test_a_convolution(mode: Callable[[], object]) -> None:
    conv = nn.Conv2d(4, 6, (3, 5), padding=(1, 2), groups=2, stride=(1, 2))
    macs = forward_macs(conv, torch.randn(2, 4, 7, 10), mode)
    assert macs == 2 * 6 * 7 * 5 * (4 // 2) * 3 * 5


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("layer", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers(
    layer: type[nn.RNNBase], gates: int, bidirectional: bool, mode: Callable[[], object]
) -> None:
    net = layer(5, 7, num_layers=2, bidirectional=bidirectional, batch_first=True)
    directions = 1 + bidirectional
    per_step = directions * gates * 7 * (5 + 7) + directions * gates * 7 * (7 * directions + 7)
    assert forward_macs(net, torch.randn(3, 11, 5), mode) == 3 * 11 * per_step


@pytest.mark.parametrize("channels", [1, 2])
def test_the_prepared_form_of_a_separator_as_much_as_its_module(channels: int) -> None:
    """Its fused layers are counted; what it merges saves, and what it scales adds, less than a tenth."""
    net = resunet_small(
        condition_size=3, channels=channels, stage_channels=[8, 16], window_size=64, hop_size=32
    ).eval()
    mixture, condition = torch.randn(2, channels, 640), torch.rand(2, 3)
    with torch.no_grad():
        plain = giga_macs(lambda: net(mixture, condition))
        prepared = giga_macs(lambda: net.prepare(torch.float32)(mixture, condition))
    assert prepared == pytest.approx(plain, rel=0.1)


def test_a_fused_convolution() -> None:
    operators = torch.ops.mkldnn
    x, kernel, into = torch.randn(2, 3, 5, 6), torch.randn(4, 3, 3, 3), torch.zeros(2, 4, 5, 6)
    place = ([1, 1], [1, 1], [1, 1], 1)

    def call() -> None:
        operators._convolution_pointwise(x, kernel, None, *place, "none", [], "")
        operators._convolution_pointwise_.binary(
            into, x, kernel, None, *place, "add", 1.0, None, [], ""
        )

    with torch.no_grad():
        assert giga_macs(call) * 1e9 == 2 * (2 * 4 * 5 * 6 * 3 * 3 * 3)


def test_a_transformer_layer(mode: Callable[[], object]) -> None:
    net = nn.TransformerEncoderLayer(16, nhead=2, dim_feedforward=24, batch_first=True)
    projections, attention, feed_forward = 4 * 16 * 16, 2 * 5 * 16, 2 * 16 * 24
    macs = forward_macs(net, torch.randn(3, 5, 16), mode)
    assert macs == 3 * 5 * (projections + attention + feed_forward)


def test_the_fast_path_of_transformers_is_left_as_it_was() -> None:
    assert torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(ZeroDivisionError):
        giga_macs(lambda: 1 / 0)
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("layer", [nn.Linear(5, 5), nn.LSTM(5, 5)])
def test_the_way_back_costs_twice_the_way_there(layer: nn.Module) -> None:
    inputs = torch.randn(4, 2, 5, requires_grad=True)

    def step() -> None:
        output = layer(inputs)
        (output if isinstance(output, Tensor) else output[0]).sum().backward()

    assert giga_macs(step) == pytest.approx(3 * giga_macs(lambda: layer(inputs)))


def test_the_median_leaves_out_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    durations = iter([100.0, 5.0, 1.0, 2.0])
    clock = 0.0

    def call() -> None:
        nonlocal clock
        clock += next(durations)

    monkeypatch.setattr(time, "perf_counter", lambda: clock)
    assert median_seconds(call, rounds=3, warm_up=1) == 2.0


def test_what_a_call_adds_to_memory_is_what_it_holds_at_its_peak() -> None:
    held = torch.ones(10_000_000)

    def call() -> None:
        large = torch.ones(16_000_000)  # 64 MB
        del large
        torch.ones(8_000_000)  # 32 MB, after the others are free

    assert 60e6 < added_memory_bytes(call) < 72e6
    assert 60e6 < added_memory_bytes(call) < 72e6, "a second time as much as the first"
    assert held.sum() == 10_000_000


def test_a_peak_is_forgotten_when_reset() -> None:
    torch.ones(50_000_000)
    high = peak_memory_bytes()
    reset_peak_memory()
    assert peak_memory_bytes() < high - 150e6
