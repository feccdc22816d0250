"""Seconds of several calls taken in turns, and what is said of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

ROUNDS = 3


def seconds_of(
    *calls: Callable[[], object], device: torch.device, rounds: int = ROUNDS, warm_up: int = 1
) -> list[float]:
    """Median seconds of each of several calls, taken in turns; a GPU is waited for."""
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
