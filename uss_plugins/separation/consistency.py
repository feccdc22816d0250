"""Mixture consistency: estimates that share out one recording, and leave a residual of what nobody claims."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WINDOW_SECONDS = 0.064
TINY = 1e-12


def make_consistent(
    mixture: NDArray[np.float32], estimates: Sequence[NDArray[np.float32]], sample_rate: int
) -> list[NDArray[np.float32]]:
    """Project estimates so that they and their residual, mixture minus sum, are a sharing of the mixture.

    The energy-weighted projection of Wisdom et al., "Differentiable consistency constraints for improved deep
    speech enhancement" (ICASSP 2019), in each bin of the STFT, with the residual as one more source.
    With X the mixture, S_i the estimates and E = X - sum S_i what is missing (or too much), estimate i gets

        S_i + E |S_i|^2 / (sum |S_j|^2 + R),   R = max(0, |X|^2 - |sum S_j|^2).

    R, the energy that the estimates leave over, is the weight of the residual. So a sound that two estimates
    both claim is split between them, one that none claims stays in the residual, and what was consistent
    stays as it is.

    Args:
        mixture: (channels, samples).
        estimates: of that shape; left as they are.
        sample_rate: Hz, for the length of the STFT's window, about 64 ms.
    """
    window_size = 2 ** round(np.log2(WINDOW_SECONDS * sample_rate))
    window = torch.hann_window(window_size)
    total = np.zeros_like(mixture)
    for estimate in estimates:
        total += estimate
    target = _stft(mixture, window)
    joint = _stft(total, window)
    energy = torch.zeros_like(joint.real)
    # One at a time, and twice each: the transforms of a whole level at once would not fit into memory.
    for estimate in estimates:
        energy += _stft(estimate, window).abs().square()
    left_over = (target.abs().square() - joint.abs().square()).clamp(min=0)
    share = (target - joint) / (energy + left_over + TINY)
    consistent = []
    for estimate in estimates:
        added = share * _stft(estimate, window).abs().square()
        wave = torch.istft(added, window_size, window=window, length=mixture.shape[1])
        consistent.append(estimate + wave.numpy())
    return consistent


def _stft(audio: NDArray[np.float32], window: Tensor) -> Tensor:
    return torch.stft(
        torch.from_numpy(audio),
        len(window),
        len(window) // 4,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )
