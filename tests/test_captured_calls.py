"""Recorded calls, by recordings that compute anew what a graph would: what is recorded, kept and given up."""

from __future__ import annotations

import logging
import re
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from uss_plugins import captured_calls
from uss_plugins.captured_calls import KEPT_SHAPES, CapturedCalls, Function, Recording
from uss_plugins.separators.resunet import resunet_small


class StandIn:
    """Stands in for the card: replaying fills the output from what the inputs hold then."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.replays = 0
        self.off_by = 0.0
        self.error = ""
        self.empty = False

    def record(self, function: Function, inputs: tuple[Tensor, ...]) -> Recording:
        if self.error:
            raise RuntimeError(self.error)
        self.shapes.append(tuple(inputs[0].shape))
        static = tuple(one.clone() for one in inputs)
        output = function(*static)

        def replay() -> None:
            self.replays += 1
            if self.empty:
                return
            output.copy_(function(*static) + self.off_by)

        return Recording(static, output, replay)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    made = StandIn()
    monkeypatch.setattr(captured_calls, "Recorder", lambda device: made.record)
    return made


def scaled_sum(x: Tensor, y: Tensor) -> Tensor:
    return 2 * x + y


def test_the_second_call_of_a_shape_is_recorded_and_later_ones_replayed(recorder: StandIn) -> None:
    calls = CapturedCalls(scaled_sum)
    results = []
    for number in range(4):
        x, y = torch.full((3,), float(number)), torch.ones(3)
        results.append(calls(x, y))
        assert recorder.shapes == [(3,)] * (number > 0)
    # The first replay is the check of the recording.
    assert recorder.replays == 3
    # A result is the caller's own: later calls leave it alone.
    assert [result.tolist() for result in results] == [[2.0 * n + 1] * 3 for n in range(4)]


def test_only_so_many_shapes_are_recorded(recorder: StandIn) -> None:
    calls = CapturedCalls(scaled_sum)
    for _ in range(3):
        for size in range(1, KEPT_SHAPES + 3):
            assert calls(torch.ones(size), torch.ones(size)).tolist() == [3.0] * size
    assert [shape[0] for shape in recorder.shapes] == list(range(1, KEPT_SHAPES + 1))


def test_a_recording_of_nothing_is_not_used(recorder: StandIn) -> None:
    recorder.empty = True
    calls = CapturedCalls(scaled_sum)
    results = [calls(torch.full((2,), float(n)), torch.ones(2)).tolist() for n in range(4)]
    assert results == [[2.0 * n + 1] * 2 for n in range(4)]
    assert len(recorder.shapes) == 1


def test_recordings_make_room_for_calls_that_need_their_memory(
    recorder: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    full = [False]

    def needs_memory(x: Tensor, y: Tensor) -> Tensor:
        if full[0]:
            full[0] = False
            raise torch.OutOfMemoryError("no room")
        return scaled_sum(x, y)

    calls = CapturedCalls(needs_memory)
    for _ in range(3):
        calls(torch.ones(2), torch.ones(2))
    full[0] = True
    assert calls(torch.ones(3), torch.ones(3)).tolist() == [3.0] * 3
    assert "memory is needed" in caplog.text
    replays = recorder.replays
    assert calls(torch.ones(2), torch.ones(2)).tolist() == [3.0] * 2
    assert recorder.replays == replays
    full[0] = True
    with pytest.raises(torch.OutOfMemoryError):
        calls(torch.ones(3), torch.ones(3))


def test_a_call_is_tried_again_without_the_memory_of_the_one_that_failed(
    recorder: StandIn,
) -> None:
    failed: list[weakref.ref[Tensor]] = []
    full = [False]

    def needs_memory(x: Tensor, y: Tensor) -> Tensor:
        activation = 2 * x
        if full[0]:
            full[0] = False
            failed.append(weakref.ref(activation))
            raise torch.OutOfMemoryError("no room")
        assert all(one() is None for one in failed)
        return activation + y

    calls = CapturedCalls(needs_memory)
    for _ in range(2):
        calls(torch.ones(2), torch.ones(2))
    full[0] = True
    assert calls(torch.ones(3), torch.ones(3)).tolist() == [3.0] * 3
    assert len(failed) == 1


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("error", "operation not permitted\nmore", "not permitted$"),
        ("off_by", 0.5, "another result"),
    ],
)
def test_what_cannot_be_recorded_truly_is_called(
    recorder: StandIn,
    caplog: pytest.LogCaptureFixture,
    attribute: str,
    value: str | float,
    said: str,
) -> None:
    setattr(recorder, attribute, value)
    calls = CapturedCalls(scaled_sum)
    with caplog.at_level(logging.WARNING):
        for number in range(4):
            result = calls(torch.full((2,), float(number)), torch.ones(2))
            assert result.tolist() == [2.0 * number + 1] * 2
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("no CUDA graph")

    assert re.search(said, caplog.messages[0])


def test_the_prepared_net_depends_on_nothing_but_what_a_recording_is_given(
    recorder: StandIn,
) -> None:
    """Replayed calls of the ResUNet give what its own do."""
    net = resunet_small(condition_size=3, stage_channels=(4, 8), window_size=64, hop_size=32).eval()
    prepared = net.prepare()
    prepared._follow()
    calls = CapturedCalls(prepared._net)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        seen = torch.rand(1, 1, 16, 32, generator=generator).contiguous(
            memory_format=torch.channels_last
        )
        biases = prepared._biases(torch.rand(1, 3, generator=generator))
        with torch.no_grad():
            assert torch.equal(calls(seen, biases), prepared._net(seen, biases))
    assert recorder.replays == 2
