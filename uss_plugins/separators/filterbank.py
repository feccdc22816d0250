"""Asteroid's filterbanks in the place of the STFT: transforms that are trained with the separator.

Pariente et al., *Filterbank design for end-to-end speech separation*, arXiv 1910.10400. Half of the filters
make the real parts of a complex coefficient, the other half the imaginary ones, so that magnitude and phase
mean what they mean for the STFT.

Deviation: training begins where it may take anything for granted. Filters that are free begin as the STFT's
(square root of a Hann window), not at random, and every synthesis begins as the transpose of its analysis,
scaled to give noise back at its own level. From there both go their own ways.

Shapes: batch, channels, samples, frames, bins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry.errors import UserError, nearest
from registry.parameters import check_parameters
from registry.plugins import one_line
from uss_plugins.ecosystems import import_asteroid
from uss_plugins.separators.stft import STFT

TRAINED_FILTERBANKS = ("free", "analytic_free", "param_sinc")
"""Asteroid's filterbanks that are made for any window and hop, by Asteroid's names."""


class Filterbank(nn.Module):
    """A trained filterbank and its synthesis, with the interface of `STFT`.

    Args:
        name: one of `TRAINED_FILTERBANKS`.
        window_size: samples of the filters; even. There are half as many coefficients, and one.
        hop_size: samples between frames; at most half the window.
        sample_rate: Hz, for filters that are given by frequencies.
        parameters: further ones of the filterbank, such as param_sinc's min_low_hz and min_band_hz.

    Raises:
        UserError: the filterbank does not take these parameters, or none is made of them.
    """

    gain: Tensor

    def __init__(
        self,
        name: str,
        window_size: int,
        hop_size: int,
        sample_rate: int,
        parameters: Mapping[str, Any],
    ) -> None:
        super().__init__()
        filterbanks = import_asteroid("asteroid_filterbanks")
        bins = window_size // 2 + 1
        # A windowed sinc has a middle; Asteroid would add it too, and say so on the standard output.
        self.frame_samples = window_size + (name == "param_sinc")
        self.hop_samples = hop_size
        try:
            given = {
                "n_filters": 2 * bins,
                "kernel_size": self.frame_samples,
                "stride": hop_size,
                "sample_rate": float(sample_rate),
                **parameters,
            }
            self.analysis, self.synthesis = filterbanks.make_enc_dec(name, **given)
        except (ArithmeticError, AssertionError, TypeError, ValueError) as error:
            raise UserError(f"filterbank {name!r}: {one_line(error)}; mend {given}") from error
        self.register_buffer("gain", torch.ones(()))
        with torch.no_grad():
            begin_at_stft(name, self.analysis.filterbank, window_size, hop_size)
            self.synthesis.filterbank.load_state_dict(self.analysis.filterbank.state_dict())
            self._calibrate()

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, channels, samples) real to (batch, channels, frames, bins) complex.

        Both ends are padded with zeros until every sample is in as many frames as any other.
        """
        batch, channels, samples = waveform.shape
        edge_samples = self.frame_samples - self.hop_samples
        padding = frame_padding(samples, self.frame_samples, self.hop_samples, edge_samples)
        padded = F.pad(waveform.float(), padding).reshape(batch * channels, 1, -1)
        with torch.autocast(waveform.device.type, enabled=False):
            halves = self.analysis(padded)  # (batch * channels, 2 * bins, frames)
        real, imaginary = halves.transpose(1, 2).chunk(2, dim=2)
        spectrum = torch.complex(real, imaginary)
        return spectrum.reshape(batch, channels, *spectrum.shape[1:])

    def inverse(self, spectrum: Tensor, samples: int) -> Tensor:
        """(batch, channels, frames, bins) complex64 to (batch, channels, samples) real."""
        batch, channels = spectrum.shape[:2]
        flat = spectrum.flatten(0, 1)
        halves = torch.cat((flat.real, flat.imag), dim=2).transpose(1, 2)
        with torch.autocast(spectrum.device.type, enabled=False):
            padded: Tensor = self.gain * self.synthesis(halves)  # (batch * channels, 1, samples)
        edge_samples = self.frame_samples - self.hop_samples
        return padded[..., edge_samples : edge_samples + samples].reshape(batch, channels, samples)

    def _calibrate(self) -> None:
        """Set the gain with which the synthesis gives noise back best, in the least squares."""
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(1, 1, 8 * self.frame_samples, generator=generator)
        heard = self.inverse(self(noise), noise.shape[-1])
        self.gain.fill_(float((heard * noise).sum() / heard.square().sum()))


def begin_at_stft(name: str, filterbank: Any, window_size: int, hop_size: int) -> None:
    """Fill free filters with the STFT's; an analytic filterbank makes the second half from the first."""
    if name not in ("free", "analytic_free"):
        return
    filterbanks = import_asteroid("asteroid_filterbanks")
    filters = filterbanks.STFTFB(
        window_size, window_size, hop_size
    ).filters()  # (2 * bins, 1, window)
    if name == "analytic_free":
        # asteroid_filterbanks 0.4 takes the filters backwards for their Hilbert transforms. Of filters that
        # begin at an eighth of their period both are a quarter of it apart, as a pair must be.
        real, imaginary = filters.chunk(2)
        filters = (real - imaginary) / 2**0.5
    filterbank._filters.copy_(filters)


def make_transform(
    filterbank: Mapping[str, Any] | None, window_size: int, hop_size: int, sample_rate: int
) -> STFT | Filterbank:
    """The transform that a recipe's `filterbank: {name: ...}` asks for; None is the STFT.

    Raises:
        UserError: there is no such filterbank, or it does not take the parameters.
    """
    parameters = dict(filterbank or {"name": "stft"})
    name = parameters.pop("name", None)
    if name == "stft" and not parameters:
        return STFT(window_size, hop_size)
    known = ("stft", *TRAINED_FILTERBANKS)
    if name not in known:
        raise UserError(f"filterbank: no name {name!r}; {nearest(str(name), known)}")
    refused = "window_size, hop_size and sample_rate are the separator's own"
    if name == "stft" or not {"n_filters", "kernel_size", "stride", "sample_rate"}.isdisjoint(
        parameters
    ):
        raise UserError(f"filterbank {name!r}: {', '.join(parameters)}: {refused}")
    check_parameters(_makers()[name], parameters, f"filterbank {name!r}")
    return Filterbank(name, window_size, hop_size, sample_rate, parameters)


def _makers() -> dict[str, Any]:
    """What each filterbank takes beyond its sizes; Asteroid's classes would take anything."""

    def free() -> None: ...

    def param_sinc(*, min_low_hz: float = 50, min_band_hz: float = 50) -> None: ...

    return {"free": free, "analytic_free": free, "param_sinc": param_sinc}


def frame_padding(
    samples: int, frame_samples: int, hop_samples: int, edge_samples: int
) -> tuple[int, int]:
    """Zeros before and after `samples` so that whole frames, a hop apart, cover them and both edges."""
    needed = max(samples + 2 * edge_samples - frame_samples, 0)
    frames_after_first = -(-needed // hop_samples)
    total = frame_samples + frames_after_first * hop_samples
    return edge_samples, total - edge_samples - samples
