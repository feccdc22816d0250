"""Seconds of several calls taken in turns, and what is said of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

ROUNDS = 3


def use_device(device: torch.device) -> None:
    """Make a GPU the one that is waited for, and float32 on it float32: without TF32, on both sides."""
    torch.backends.cudnn.allow_tf32 = False
    if device.index is not None:
        torch.cuda.set_device(device)


def warm_up_of(device: torch.device) -> int:
    """Calls that are not timed: a GPU's first loads its kernels, and its second records a graph of them."""
    return 1 if device.type == "cpu" else 3


def seconds_of(
    *calls: Callable[[], object],
    device: torch.device,
    rounds: int = ROUNDS,
    warm_up: int | None = None,
) -> list[float]:
    """Median seconds of each of several calls, taken in turns, after `warm_up_of` calls or another number.

    A GPU is waited for.
    """
    warm_up = warm_up_of(device) if warm_up is None else warm_up
    taken: list[list[float]] = [[] for _ in calls]
    for number in range(warm_up + rounds):
        for call, own in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if number >= warm_up:
                own.append(time.perf_counter() - start)
    return [median(own) for own in taken]


def ratio(plain_seconds: float, seconds: float, **more: Any) -> dict[str, Any]:
    """Figures of a row: both sides, and how many times as fast the second one is."""
    times = plain_seconds / seconds
    return {"plain_seconds": plain_seconds, "seconds": seconds, "times": times, **more}


def relative_error(estimate: Tensor, exact: Tensor) -> float:
    """Norm of the difference over the norm of `exact`, over all samples."""
    return float((estimate - exact).norm() / exact.norm())
