"""A checkpoint as the released system's trainer leaves it: hashed weights, true fixed kernels.

`data/checkpoint_keys.json` lists every key of a released checkpoint with its shape.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from parity.hashfill import tensor
from torch import Tensor

KEYS = Path(__file__).parent / "data" / "checkpoint_keys.json"


def hann(size: int) -> NDArray[np.float64]:
    """Periodic Hann window: (size,)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def waves(size: int, sign: int) -> NDArray[np.complex128]:
    """exp(sign * 2 pi i k n / size), symmetric in k and n: (size, size)."""
    steps = np.arange(size)
    # Reduced first, so that the angle stays small and exact.
    return np.exp(sign * 2j * np.pi * (np.outer(steps, steps) % size) / size)


def stft_kernel(size: int, part: str) -> NDArray[np.float64]:
    """Real or imaginary part of the windowed DFT as convolution kernels: (bins, 1, size)."""
    kernel = waves(size, -1)[: size // 2 + 1] * hann(size)
    return (kernel.real if part == "real" else kernel.imag)[:, np.newaxis]


def istft_kernel(size: int, part: str) -> NDArray[np.float64]:
    """Real or imaginary part of the windowed inverse DFT as convolution kernels: (size, size, 1)."""
    kernel = waves(size, 1) * hann(size)[:, np.newaxis] / size
    return (kernel.real if part == "real" else kernel.imag)[:, :, np.newaxis]


def mel_kernel(
    sample_rate: int = 32000,
    window_size: int = 1024,
    mel_size: int = 64,
    low: float = 50.0,
    high: float = 14000.0,
) -> NDArray[np.float64]:
    """Slaney's triangular filters, each of unit area in hertz: (bins, mel_size)."""
    octave = np.log(6.4) / 27  # of the scale's logarithmic part, above 15 mel = 1000 Hz
    ends = [
        15 + np.log(hertz / 1000) / octave if hertz > 1000 else hertz * 0.015
        for hertz in (low, high)
    ]
    mels = np.linspace(*ends, mel_size + 2)
    edges = np.where(mels > 15, 1000 * np.exp(octave * (mels - 15)), mels / 0.015)
    bins = np.linspace(0, sample_rate / 2, window_size // 2 + 1)
    filters = [
        np.interp(bins, edges[band : band + 3], [0.0, 1.0, 0.0], left=0, right=0)
        * 2
        / (edges[band + 2] - edges[band])
        for band in range(mel_size)
    ]
    return np.stack(filters, axis=1)


def value(key: str, shape: tuple[int, ...]) -> Tensor:
    """The value of one key of the checkpoint."""
    part = "real" if "conv_real" in key else "imag"
    if key.endswith("num_batches_tracked"):
        return torch.tensor(1_000_000)
    if key.endswith("smooth_filter"):
        return torch.full(shape, 1.0 / shape[-1])
    if key.endswith("melW"):
        fixed = mel_kernel()
    elif key.endswith("ola_window"):
        fixed = hann(shape[0]) ** 2
    elif ".istft." in key:
        fixed = istft_kernel(shape[0], part)
    elif ".stft." in key:
        fixed = stft_kernel(shape[-1], part)
    else:
        return tensor(key, shape)
    return torch.from_numpy(fixed.astype(np.float32)).reshape(shape)


def shapes() -> dict[str, tuple[int, ...]]:
    """Key -> shape, of a released training checkpoint of the soft strategy."""
    return {key: tuple(shape) for key, shape in json.loads(KEYS.read_text()).items()}


def write(path: Path) -> None:
    """Save a checkpoint of about 0.8 GB, with what Lightning keeps beside the weights."""
    beside = {"epoch": 100, "global_step": 1_000_000, "pytorch-lightning_version": "2.0.0"}
    empty: dict[str, object] = {
        "loops": {},
        "callbacks": {},
        "optimizer_states": [],
        "lr_schedulers": [],
    }
    state = {key: value(key, shape) for key, shape in shapes().items()}
    torch.save({**beside, "state_dict": state, **empty}, path)
