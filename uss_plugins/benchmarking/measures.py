"""What running something costs: operations, seconds, memory."""

from __future__ import annotations

import ctypes
import gc
import math
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

PROCESS = Path("/proc/self")
"""What Linux tells, and lets a process reset, of its own memory."""


def parameter_count(module: nn.Module, *, trained_only: bool = False) -> int:
    """How many numbers the parameters of `module` hold; shared ones count once, buffers do not.

    trained_only: leave out those that a training does not change.
    """
    return sum(
        parameter.numel()
        for parameter in module.parameters()
        if parameter.requires_grad or not trained_only
    )


def giga_macs(call: Callable[[], object]) -> float:
    """10**9 multiply-accumulates of one `call`, a backward pass in it included.

    Counted are convolutions, matrix products, attention and recurrent layers, from their shapes, whatever
    the device and precision. Element-wise work, pooling and FFTs, so the STFT, are not. A
    multiply-accumulate is two of the operations that FLOP/s are stated in.
    """
    # Fused attention and the fused transformer layer are single operations that the counter does not know.
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            counter = FlopCounterMode(display=False, custom_mapping=FUSED_OPERATORS)
            with counter:
                call()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    return counter.get_total_flops() / 2e9


def median_seconds(call: Callable[[], object], *, rounds: int, warm_up: int = 1) -> float:
    """Median seconds of `rounds` calls, after `warm_up` calls that do not count.

    Where CUDA is in use, each call is waited for.
    """
    for _ in range(warm_up):
        call()
    seconds = []
    for _ in range(rounds):
        wait_for_devices()
        start = time.perf_counter()
        call()
        wait_for_devices()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def wait_for_devices() -> None:
    """Return once CUDA has done what it was told; at once where it is not in use."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()


def peak_memory_bytes(device: str = "cpu") -> int:
    """The most memory that this process has held since it began, or since `reset_peak_memory`.

    device: "cpu" for resident memory, all libraries included; "cuda" or "cuda:1" for what torch's tensors
        took on that device.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    held = _resident("VmHWM")
    if held is not None:
        return held
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def reset_peak_memory() -> None:
    """Let `peak_memory_bytes` count from what is held now, after giving back what is free.

    Outside Linux the peak of resident memory cannot be reset, and stays that of the whole process.
    """
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    if (PROCESS / "clear_refs").exists():
        (PROCESS / "clear_refs").write_text("5")  # proc(5): resets VmHWM to VmRSS
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        for device in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(device)


def added_memory_bytes(call: Callable[[], object], device: str = "cpu") -> int:
    """How far one `call` drives up the peak of memory, over what was held before it.

    Memory that was freed but kept by an allocator is given back first where that is possible, so a call is
    charged for all that it asks for.
    """
    reset_peak_memory()
    before = peak_memory_bytes(device)
    call()
    wait_for_devices()
    return peak_memory_bytes(device) - before


def _resident(field: str) -> int | None:
    """A field of this process's memory status in bytes; None outside Linux."""
    status = PROCESS / "status"
    if not status.exists():
        return None
    for line in status.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None


# The fused recurrent layers of oneDNN (one layer, one direction a call) and cuDNN (all of them in one call).
# Every time step of every item is multiplied with every matrix once; going backward, twice.


def _onednn_forward(inputs: Sequence[int], *shapes: Any, **_: Any) -> int:
    return _recurrent_flops(inputs, shapes[:2])


def _onednn_backward(inputs: Sequence[int], *shapes: Any, **_: Any) -> int:
    return 2 * _recurrent_flops(inputs, shapes[:2])


def _cudnn_forward(inputs: Sequence[int], weights: Any, *_: Any, **__: Any) -> int:
    return _recurrent_flops(inputs, weights)


def _cudnn_backward(inputs: Sequence[int], weights: Any, *_: Any, **__: Any) -> int:
    return 2 * _recurrent_flops(inputs, weights)


def _recurrent_flops(inputs: Sequence[int], weights: Sequence[Sequence[int]]) -> int:
    """`inputs`: (steps, batch, features) in any order of the first two, or (steps, features) if packed."""
    matrices = sum(math.prod(shape) for shape in weights if len(shape) == 2)
    return 2 * math.prod(inputs[:-1]) * matrices


# oneDNN's convolutions with what follows them fused in, as prepared separators use them.


def _fused_convolution(
    _: Sequence[int], second: Any, third: Any, *__: Any, out_shape: Any, **___: Any
) -> int:
    """Its operands are input, kernel, bias; with a sum fused in, two images and then the kernel."""
    has_sum = third is not None and len(third) > 1
    return _convolution_flops(third if has_sum else second, out_shape)


def _fused_upsampling(inputs: Sequence[int], kernel: Any, *_: Any, **__: Any) -> int:
    return _convolution_flops(kernel, inputs)


def _convolution_flops(kernel: Sequence[int], places: Sequence[int]) -> int:
    """The whole kernel is applied at each of `places`: (batch, channels, *place)."""
    return 2 * places[0] * math.prod(places[2:]) * math.prod(kernel)


def _fused_operators() -> dict[Any, Any]:
    """What the counter does not know by itself: operator -> its operations, from shapes."""
    counts: dict[Any, Any] = {
        torch.ops.aten.mkldnn_rnn_layer: _onednn_forward,
        torch.ops.aten.mkldnn_rnn_layer_backward: _onednn_backward,
        torch.ops.aten._cudnn_rnn: _cudnn_forward,
        torch.ops.aten._cudnn_rnn_backward: _cudnn_backward,
    }
    fused = {
        "_convolution_pointwise": _fused_convolution,
        "_convolution_pointwise_": _fused_convolution,
        "_convolution_transpose_pointwise": _fused_upsampling,
    }
    for name, count in fused.items():  # a torch without oneDNN lacks them
        if hasattr(torch.ops.mkldnn, name):
            counts[getattr(torch.ops.mkldnn, name)] = count
    return counts


FUSED_OPERATORS = _fused_operators()
