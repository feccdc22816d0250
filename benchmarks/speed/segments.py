"""One class of one segment, by the separator alone; and the rate of matrix products in turns with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from baseline import PlainResUNet

from speed.networks import RATE, make_separator, noise
from speed.timing import ratio, relative_error, seconds_of
from uss_plugins.benchmarking.measures import giga_macs
from uss_plugins.labels.audioset import classes

SEGMENT_SECONDS = 10

PRODUCTS = (
    *((size, size, size) for size in (1024, 2048, 4096, 8192)),
    # A convolution of the separator's fourth stage: places, 3 x 3 of 256 channels in, 256 channels out.
    (128 * 128, 3 * 3 * 256, 256),
)
"""Rows of the first matrix, columns of it, columns of the second: no one size is every machine's best."""

LEAST_MACS = 4096**3
"""Smaller products are repeated up to it: alone they are too short to be timed."""


def segment_row(precision: torch.dtype, device: torch.device) -> dict[str, Any]:
    """Errors are those against the module itself in float32, and of the prepared form against the baseline.

    Of bfloat16, in turns with both, products of matrices: what the machine reaches meanwhile.
    """
    net = make_separator(len(classes())).to(device)
    plain, prepared = PlainResUNet(net).to(device), net.prepare(precision)
    inputs = (
        noise(1, 1, SEGMENT_SECONDS * RATE).to(device),
        torch.rand(1, len(classes())).to(device),
    )
    with torch.inference_mode():
        exact, by_plain, estimate = (side(*inputs) for side in (net, plain, prepared))
        macs = giga_macs(lambda: net(*inputs))  # the baseline's transforms are products, too
        products = matrix_products(device) if precision == torch.bfloat16 else {}
        plain_seconds, seconds, *product_seconds = seconds_of(
            lambda: plain(*inputs),
            lambda: prepared(*inputs),
            *(call for call, _ in products.values()),
            device=device,
        )
    found = ratio(
        plain_seconds,
        seconds,
        error=relative_error(estimate, exact),
        error_to_plain=relative_error(estimate, by_plain),
        plain_error=relative_error(by_plain, exact),
        giga_macs=macs,
        giga_macs_per_second=macs / seconds,
    )
    if products:
        found["matrix_giga_macs_per_second"] = {
            name: done / taken
            for (name, (_, done)), taken in zip(products.items(), product_seconds, strict=True)
        }
    return found


def matrix_products(device: torch.device) -> dict[str, tuple[Callable[[], None], float]]:
    """Products of bfloat16 matrices: name -> (a call, its 10**9 multiply-accumulates)."""
    found: dict[str, tuple[Callable[[], None], float]] = {}
    for rows, inner, columns in PRODUCTS:
        left = torch.randn(rows, inner).bfloat16().to(device)
        right = torch.randn(inner, columns).bfloat16().to(device)
        macs = rows * inner * columns
        times = -(-LEAST_MACS // macs)
        into = torch.empty(rows, columns, dtype=torch.bfloat16, device=device)
        call = partial(multiply, left, right, into, times)
        found[f"{rows} x {inner} x {columns}"] = call, times * macs / 1e9
    return found


def multiply(left: torch.Tensor, right: torch.Tensor, into: torch.Tensor, times: int) -> None:
    """The same product again and again, into memory that is there already."""
    for _ in range(times):
        torch.mm(left, right, out=into)
