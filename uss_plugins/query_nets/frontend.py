"""The log-mel front end of the PANNs family: fixed transforms, nothing to train or to store."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

LINEAR_LIMIT_HERTZ = 1000.0  # the Slaney scale is linear below this and logarithmic above
HERTZ_PER_MEL = 200.0 / 3.0  # of its linear part
LOG_STEP = np.log(6.4) / 27.0  # of its logarithmic part, in nepers per mel
LIMIT_MEL = LINEAR_LIMIT_HERTZ / HERTZ_PER_MEL


def hertz_to_mel(hertz: float) -> float:
    """Slaney's mel scale (Auditory Toolbox, 1998)."""
    if hertz < LINEAR_LIMIT_HERTZ:
        return hertz / HERTZ_PER_MEL
    return float(LIMIT_MEL + np.log(hertz / LINEAR_LIMIT_HERTZ) / LOG_STEP)


def mel_to_hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `hertz_to_mel`, for an array."""
    logarithmic = LINEAR_LIMIT_HERTZ * np.exp(LOG_STEP * (mels - LIMIT_MEL))
    return np.where(mels < LIMIT_MEL, mels * HERTZ_PER_MEL, logarithmic)


def mel_filters(
    sample_rate: int, n_fft: int, mel_size: int, low_frequency: float, high_frequency: float
) -> Tensor:
    """Triangular Slaney filters, each of unit area in hertz: (n_fft // 2 + 1, mel_size)."""
    ends = hertz_to_mel(low_frequency), hertz_to_mel(high_frequency)
    edges = mel_to_hertz(np.linspace(*ends, mel_size + 2))
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    hertz = np.arange(n_fft // 2 + 1)[:, None] * sample_rate / n_fft
    rising = (hertz - left) / (centre - left)
    falling = (right - hertz) / (right - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return torch.from_numpy((triangles * 2.0 / (right - left)).astype(np.float32))


class LogMel(nn.Module):
    """Power spectrogram in mel bands, in dB, always computed in float32.

    The STFT is centred with reflect padding under a periodic Hann window as long as its FFT, as
    PANNs have it (Kong et al. 2020, section III).

    n_fft, hop_length: samples.
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self,
        *,
        sample_rate: int,
        n_fft: int,
        hop_length: int,
        mel_size: int,
        low_frequency: float,
        high_frequency: float,
    ) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        filters = mel_filters(sample_rate, n_fft, mel_size, low_frequency, high_frequency)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """(batch, frames, mel_size) from (batch, samples), more than `n_fft // 2` of them.

        There is a frame at every multiple of the hop: frames = samples // hop_length + 1.
        """
        # The STFT knows no bfloat16, and half precision would drown quiet bands.
        with torch.autocast(audio.device.type, enabled=False):
            spectrum = torch.stft(
                audio.float(),
                self.n_fft,
                self.hop_length,
                window=self.window,
                center=True,
                pad_mode="reflect",
                return_complex=True,
            )  # (batch, bins, frames)
            power = spectrum.real.square() + spectrum.imag.square()
            mels = power.transpose(1, 2) @ self.filters
            return 10.0 * torch.log10(mels.clamp(min=1e-10))
