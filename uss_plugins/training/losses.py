"""Training losses by name: scalars of estimate and target (batch, channels, samples).

All compute in float32, whatever precision the network ran in.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from registry.errors import UserError, nearest
from uss_plugins.recipe import Component

ASTEROID_PREFIX = "asteroid."

Loss = Callable[[Tensor, Tensor], Tensor]

SPECTRUM_WINDOW_SIZE, SPECTRUM_HOP_LENGTH = 2048, 320


def l1_waveform(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of the samples: the paper's loss (arXiv 2305.07447)."""
    return (estimate.float() - target.float()).abs().mean()


def l1_waveform_l1_spectrum(estimate: Tensor, target: Tensor) -> Tensor:
    """`l1_waveform` plus the mean absolute error of the STFT's magnitudes (2048/320 samples, Hann).

    The audio must be longer than half the window, 1024 samples.
    """
    return l1_waveform(estimate, target) + (_magnitude(estimate) - _magnitude(target)).abs().mean()


def neg_si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Negative scale-invariant SDR in dB, means removed, averaged over batch and channels."""
    return _negative_ratio("sisdr", estimate, target)


def neg_snr(estimate: Tensor, target: Tensor) -> Tensor:
    """Negative SNR in dB, means removed, averaged over batch and channels."""
    return _negative_ratio("snr", estimate, target)


LOSSES: dict[str, Loss] = {
    loss.__name__: loss for loss in (l1_waveform, l1_waveform_l1_spectrum, neg_si_sdr, neg_snr)
}


def find_loss(loss: str | Component) -> Loss:
    """The loss of a recipe: one of `LOSSES`, or one of Asteroid's as "asteroid.NAME", by name or section.

    Raises:
        UserError: there is no such loss, or it does not take the section's parameters.
    """
    section = Component(name=loss) if isinstance(loss, str) else loss
    name, parameters = section.name, section.parameters
    if name.startswith(ASTEROID_PREFIX):
        from uss_plugins.training.asteroid_losses import asteroid_loss

        return asteroid_loss(name.removeprefix(ASTEROID_PREFIX), parameters)
    if parameters:
        raise UserError(f"loss {name!r} takes no parameters; leave out {', '.join(parameters)}")
    if name not in LOSSES:
        raise UserError(f"no loss {name!r}; {nearest(name, LOSSES)}")
    return LOSSES[name]


def _magnitude(audio: Tensor) -> Tensor:
    """(batch, channels, samples) -> (batch * channels, frequencies, frames)."""
    audio = audio.float().flatten(0, 1)
    window = torch.hann_window(SPECTRUM_WINDOW_SIZE, device=audio.device)
    spectrum = torch.stft(
        audio,
        SPECTRUM_WINDOW_SIZE,
        SPECTRUM_HOP_LENGTH,
        window=window,
        pad_mode="reflect",
        return_complex=True,
    )
    return spectrum.abs()


def _negative_ratio(kind: str, estimate: Tensor, target: Tensor) -> Tensor:
    """Asteroid's single-source negative ratio, in which 1e-8 keeps silence finite: a scalar."""
    from uss_plugins.ecosystems import import_asteroid

    sdr = import_asteroid("asteroid.losses.sdr")
    ratio = sdr.SingleSrcNegSDR(kind, reduction="mean")
    with torch.autocast(estimate.device.type, enabled=False):
        loss: Tensor = ratio(estimate.float().flatten(0, 1), target.float().flatten(0, 1))
    return loss
