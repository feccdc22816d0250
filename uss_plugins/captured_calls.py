"""Calls of a network on a GPU, replayed as CUDA graphs: hundreds of small kernels, launched at once.

A network that is called again and again with the same shapes spends on a fast card as long launching its
kernels as computing. The second call of a shape is recorded, later ones are replayed.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

KEPT_SHAPES = 4
"""Graphs that are kept: each holds the memory of all its activations."""

WARM_UP_CALLS = 3

logger = logging.getLogger(__name__)

Key = tuple[tuple[int, ...], ...]
Function = Callable[..., Tensor]


@dataclass(frozen=True)
class Recording:
    """A recorded call: it reads `inputs`, and `replay` leaves its result in `output`."""

    inputs: tuple[Tensor, ...]
    output: Tensor
    replay: Callable[[], None]


def record(function: Function, inputs: tuple[Tensor, ...]) -> Recording:
    """Record a call on the inputs' device.

    Raises:
        RuntimeError: the function does what a graph cannot hold, or the card has no memory for it.
    """
    static = tuple(one.clone() for one in inputs)
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_CALLS):
            function(*static)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Other threads read and write files meanwhile, and may touch the card.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        output = function(*static)
    return Recording(static, output, graph.replay)


class CapturedCalls:
    """A function of tensors on a GPU, whose calls are recorded once for each shape and then replayed.

    The function must always do the same for the same shapes. A recording is used only if it reproduces the
    call that it was made of; where none can be made, calls stay as they are, and a warning is logged.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._recordings: OrderedDict[Key, Recording] = OrderedDict()
        self._calls: Counter[Key] = Counter()
        self._gave_up = False

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function of the inputs, in memory of the caller's own."""
        key = tuple(tuple(one.shape) for one in inputs)
        recording = self._recordings.get(key)
        if recording is None:
            self._calls[key] += 1
            result = self._function(*inputs)
            if self._calls[key] > 1 and not self._gave_up:
                self._record(key, inputs, result)
            return result
        self._recordings.move_to_end(key)
        return _replayed(recording, inputs)

    def _record(self, key: Key, inputs: tuple[Tensor, ...], expected: Tensor) -> None:
        try:
            recording = record(self._function, inputs)
            same = torch.allclose(_replayed(recording, inputs), expected, rtol=1e-2, atol=1e-2)
        except RuntimeError as error:
            same, reason = False, str(error).splitlines()[0]
        else:
            reason = "the replayed call gave another result"
        if not same:
            self._gave_up = True
            logger.warning("no CUDA graph of the separator, which costs some speed: %s", reason)
            return
        self._recordings[key] = recording
        if len(self._recordings) > KEPT_SHAPES:
            self._recordings.popitem(last=False)


def _replayed(recording: Recording, inputs: tuple[Tensor, ...]) -> Tensor:
    for place, one in zip(recording.inputs, inputs, strict=True):
        place.copy_(one)
    recording.replay()
    return recording.output.clone()
