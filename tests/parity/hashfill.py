"""Weights and signals made from names alone, the same on every machine.

An element is the SplitMix64 hash of its index within the array and the CRC-32 of the array's name.
A net filled this way is the same net everywhere, so a reference needs only its outputs stored.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIXERS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)


def uniform(name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Uniform in [-1, 1), of `shape`: the hash's upper 53 bits."""
    start = np.uint64(zlib.crc32(name.encode()) << 32)
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2**64
        bits = (np.arange(math.prod(shape), dtype=np.uint64) + start) * GOLDEN_GAMMA
        for shift, factor in MIXERS:
            bits = (bits ^ (bits >> shift)) * factor
    bits ^= bits >> np.uint64(31)
    return ((bits >> np.uint64(11)) * 2.0**-52 - 1.0).reshape(shape)


def tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """The float32 weight called `name`.

    Kernels are scaled by their fan-in, so that signals keep their size through the net; vectors are
    spread about what batch norms and biases start from.
    """
    values = uniform(name, shape)
    if name.endswith("running_var"):
        values = 1.0 + 0.5 * values
    elif name.endswith("running_mean"):
        values = 0.1 * values
    elif len(shape) == 1:
        values = 1.0 + 0.2 * values if name.endswith("weight") else 0.1 * values
    else:
        values = values * np.sqrt(3.0 / math.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32))


def waveform(name: str, batch: int, samples: int, sample_rate: int = 32000) -> Tensor:
    """(batch, samples) float32: in each item three decaying tones and noise."""
    seconds = np.arange(samples) / sample_rate
    items = []
    for item in range(batch):
        signal = np.zeros(samples)
        for pitch, phase, decay in uniform(f"{name}/{item}/tones", (3, 3)):
            tone = np.sin(2 * np.pi * (600 + 500 * pitch) * seconds + np.pi * phase)
            signal += 0.15 * tone * np.exp(-(1.2 + decay) * seconds)
        items.append(signal + 0.05 * uniform(f"{name}/{item}/noise", (samples,)))
    return torch.from_numpy(np.stack(items).astype(np.float32))


@torch.no_grad()
def fill(
    module: nn.Module, prefix: str, released_name: Callable[[str], str] = lambda name: name
) -> None:
    """Give every weight and running statistic of `module` its value, and put it in evaluation mode.

    released_name: the key of the released state dict for one of the module's keys.
    """
    for name, value in module.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            value.copy_(tensor(prefix + released_name(name), tuple(value.shape)))
    module.eval()


def relative_error(estimate: Tensor, reference: NDArray[np.float32]) -> float:
    """Norm of the difference over the norm of the reference; their shapes must agree."""
    assert tuple(estimate.shape) == reference.shape
    difference = estimate.double().numpy() - reference
    return float(np.linalg.norm(difference) / np.linalg.norm(reference))
