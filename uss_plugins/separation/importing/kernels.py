"""The fixed kernels that released checkpoints carry, each compared with the transform that replaces it.

The released code computes STFTs by convolutions whose kernels are saved like weights. Here `torch.stft` does
it, so they are left out, but only where they say what the transform does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from uss_plugins.query_nets.frontend import LogMel
from uss_plugins.separation.importing.accounts import Accounts
from uss_plugins.separators.stft import STFT

LARGEST_BOX = 1 << 16
"""Frames: the longest box filter that is looked at. A hostile file may claim any, and take no room for it."""
TOLERANCE = 1e-5
"""Largest difference, relative to the kernel's largest value; released kernels are within 1e-6."""


def drop_separator_kernels(accounts: Accounts, prefix: str, stft: STFT) -> None:
    """Leave out the kernels under `prefix`: `stft.*` and `istft.*`."""
    forward = {f"stft.{name}": kernel for name, kernel in forward_kernels(stft.window).items()}
    _drop(accounts, prefix, forward, "fixed STFT kernels, equal to the transform's")
    inverse = {f"istft.{name}": kernel for name, kernel in inverse_kernels(stft.window).items()}
    _drop(accounts, prefix, inverse, "fixed inverse STFT kernels, equal to the transform's")


def drop_front_end_kernels(accounts: Accounts, prefix: str, log_mel: LogMel) -> None:
    """Leave out the kernels under `prefix`: `spectrogram_extractor.*` and `logmel_extractor.*`."""
    kernels = forward_kernels(log_mel.window).items()
    forward = {f"spectrogram_extractor.stft.{name}": kernel for name, kernel in kernels}
    _drop(accounts, prefix, forward, "fixed STFT kernels, equal to the transform's")
    mel = {"logmel_extractor.melW": log_mel.filters}
    _drop(accounts, prefix, mel, "fixed mel filters, equal to the front end's")


def drop_smoothing(accounts: Accounts, prefix: str) -> None:
    """Leave out the box filter of anchor mining, whose length follows from the segment's."""
    for key in accounts.left(prefix):
        size = min(max(accounts.value(key).shape[-1:].numel(), 1), LARGEST_BOX)
        _drop(
            accounts,
            "",
            {key: torch.full((1, 1, size), 1.0 / size)},
            "box filter of anchor mining, equal to the average here",
        )


def forward_kernels(window: Tensor) -> dict[str, Tensor]:
    """Convolution kernels (bins, 1, samples) of the windowed STFT: its answers to single samples."""
    answers = torch.fft.rfft(torch.diag(window.double()))  # (samples, bins)
    return {
        "conv_real.weight": answers.real.T[:, None],
        "conv_imag.weight": answers.imag.T[:, None],
    }


def inverse_kernels(window: Tensor) -> dict[str, Tensor]:
    """Kernels (samples, bins, 1) of the windowed inverse DFT, and what overlap-add divides by."""
    window = window.double()
    waves = torch.fft.ifft(torch.eye(len(window), dtype=torch.float64)) * window  # (bins, samples)
    return {
        "conv_real.weight": waves.real.T[:, :, None],
        "conv_imag.weight": waves.imag.T[:, :, None],
        "ola_window": window.square(),
    }


def _drop(accounts: Accounts, prefix: str, kernels: dict[str, Tensor], reason: str) -> None:
    """Leave out those of `kernels` that are there, once they are equal."""
    for name in kernels.keys() & {key.removeprefix(prefix) for key in accounts.left(prefix)}:
        key = prefix + name
        given, expected = accounts.value(key), kernels[name]
        if given.shape != expected.shape:
            shapes = f"{tuple(given.shape)}, not {tuple(expected.shape)}"
            raise accounts.refusal([f"the fixed kernel {key} is {shapes}"])
        difference = float((given - expected).abs().max() / expected.abs().max())
        if not difference <= TOLERANCE:  # NaN is not
            raise accounts.refusal(
                [
                    f"the fixed kernel {key} differs from the transform's by {difference:.1e} of its peak"
                ]
            )
        accounts.drop([key], reason)
