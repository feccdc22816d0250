"""Distortion metrics of separated sound, one value (dB) for each item of a batch.

    batch     items
    samples   audio samples

Every metric takes (batch, samples) float32 tensors and returns (batch,) float32. All stay finite
for finite input; each docstring says what silence gives.
"""

from __future__ import annotations

import torch
from torch import Tensor

from uss_plugins.ecosystems import import_torchmetrics

SMALLEST_POWER = 1e-10
"""Mean squares are no less than this, so that silence has a level: -100 dB."""


def power(audio: Tensor) -> Tensor:
    """Mean square of each item, no less than `SMALLEST_POWER`: (batch, samples) -> (batch,)."""
    return audio.square().mean(dim=-1).clamp(min=SMALLEST_POWER)


def sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Signal-to-distortion ratio (dB): 10 log10(mean(ref^2) / mean((est - ref)^2)).

    Kong et al., arXiv 2305.07447, section on evaluation. Each mean is no less than 1e-10, so a
    perfect estimate of a reference at -20 dB gets 80 dB, a silent estimate 0 dB, and a silent
    reference the negative of the estimate's level over -100 dB.
    """
    return 10 * torch.log10(power(reference) / power(estimate - reference))


def sdr_improvement(estimate: Tensor, reference: Tensor, mixture: Tensor) -> Tensor:
    """SDR of the estimate minus SDR of the mixture taken as the estimate (dB)."""
    return sdr(estimate, reference) - sdr(mixture, reference)


def si_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Scale-invariant SDR (dB), torchmetrics' own, without removing the means.

    Le Roux et al., "SDR - half-baked or well done?", 2019. torchmetrics adds float32's epsilon to
    each energy: a silent estimate gets 0 dB, not minus infinity, and so does silence for silence.
    """
    import_torchmetrics()
    from torchmetrics.functional.audio.sdr import scale_invariant_signal_distortion_ratio

    return scale_invariant_signal_distortion_ratio(estimate, reference)


def si_sdr_improvement(estimate: Tensor, reference: Tensor, mixture: Tensor) -> Tensor:
    """SI-SDR of the estimate minus SI-SDR of the mixture taken as the estimate (dB)."""
    return si_sdr(estimate, reference) - si_sdr(mixture, reference)


def leak(estimate: Tensor, mixture: Tensor) -> Tensor:
    """Energy of an estimate of something absent, relative to the mixture's (dB); lower is better.

    Both mean squares are no less than 1e-10: silence out of a mixture at -20 dB leaks -80 dB.
    """
    return 10 * torch.log10(power(estimate) / power(mixture))
