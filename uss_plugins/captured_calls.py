"""Calls of a network on a GPU, replayed as CUDA graphs: hundreds of small kernels, launched at once.

A network that is called again and again with the same shapes spends on a fast card as long launching its
kernels as computing. The second call of a shape is recorded, later ones are replayed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

KEPT_SHAPES = 8
"""Graphs that are made, of the shapes that come first. All use the memory of the largest."""

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


class Recorder:
    """Records calls on a device.

    Results are copied out before the next replay, and replays follow each other: so all graphs, which are
    recorded on one stream, share their memory.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, function: Function, inputs: tuple[Tensor, ...]) -> Recording:
        """Record a call.

        Raises:
            RuntimeError: the function does what a graph cannot hold, or the card has no memory for it.
        """
        static = tuple(one.clone() for one in inputs)
        # Of the inputs' own card, which need not be the current one: by default all of this is.
        with torch.cuda.device(self.device):
            current = torch.cuda.current_stream(self.device)
            self.stream.wait_stream(current)
            with torch.cuda.stream(self.stream):
                for _ in range(WARM_UP_CALLS):
                    function(*static)
            current.wait_stream(self.stream)
            graph = torch.cuda.CUDAGraph()
            try:
                # Other threads read and write files meanwhile, and may touch the card.
                with torch.cuda.graph(
                    graph,
                    pool=self.pool,
                    stream=self.stream,
                    capture_error_mode="thread_local",
                ):
                    output = function(*static)
            finally:
                torch.cuda.set_stream(current)  # which a capture that fails leaves undone
        return Recording(static, output, graph.replay)


class CapturedCalls:
    """A function of tensors on a GPU, whose calls are recorded once for each shape and then replayed.

    The function must always do the same for the same shapes. A recording is used only if it reproduces the
    call that it was made of; where none can be made, calls stay as they are, and a warning is logged. Where
    the memory of recordings is needed for other calls, they are given up.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._recorder: Callable[[Function, tuple[Tensor, ...]], Recording] | None = None
        self._recordings: dict[Key, Recording] = {}
        self._called: set[Key] = set()
        self._records = True

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function of the inputs, in memory of the caller's own."""
        key = tuple(tuple(one.shape) for one in inputs)
        recording = self._recordings.get(key)
        if recording is not None:
            return _replayed(recording, inputs)
        result = None
        try:
            result = self._function(*inputs)
        except torch.OutOfMemoryError:
            if not self._recordings:
                raise
        # Out of the handler, for what was raised holds the memory of the failed call.
        if result is None:
            self._give_up("its memory is needed")
            result = self._function(*inputs)
        if key in self._called and self._records and len(self._recordings) < KEPT_SHAPES:
            self._record(key, inputs, result)
        self._called.add(key)
        return result

    def _record(self, key: Key, inputs: tuple[Tensor, ...], expected: Tensor) -> None:
        try:
            self._recorder = self._recorder or Recorder(inputs[0].device)
            recording = self._recorder(self._function, inputs)
            recording.output.fill_(float("nan"))  # lest a recording of nothing pass
            made = _replayed(recording, inputs)
        except RuntimeError as error:
            self._give_up(str(error).splitlines()[0])
            return
        if torch.allclose(made, expected, rtol=1e-2, atol=1e-2):
            self._recordings[key] = recording
        else:
            self._give_up("the replayed call gave another result")

    def _give_up(self, reason: str) -> None:
        self._recordings.clear()
        self._recorder = None
        self._records = False
        logger.warning("no CUDA graphs of the separator, which costs some speed: %s", reason)


def _replayed(recording: Recording, inputs: tuple[Tensor, ...]) -> Tensor:
    for place, one in zip(recording.inputs, inputs, strict=True):
        place.copy_(one)
    recording.replay()
    return recording.output.clone()
