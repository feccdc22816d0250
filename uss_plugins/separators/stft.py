"""The separators' transform: an STFT that takes recordings of any length, and its inverse.

Shapes: batch, channels, samples, frames, bins. All in float32, also under autocast: an FFT has no bfloat16.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class STFT(nn.Module):
    """Centred STFT with a periodic Hann window and reflect padding, as in the paper (section III-C).

    Args:
        window_size: samples of the window and of the transform; even.
        hop_size: samples between frames.
    """

    window: Tensor

    def __init__(self, window_size: int = 2048, hop_size: int = 320) -> None:
        super().__init__()
        self.window_size = window_size
        self.hop_size = hop_size
        # Not persistent: the window follows from its size, so it is no part of the weights.
        self.register_buffer("window", torch.hann_window(window_size), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, channels, samples) real to (batch, channels, frames, bins) complex.

        frames = samples // hop_size + 1. A recording too short to reflect is padded with zeros first.
        """
        batch, channels, samples = waveform.shape
        flat = waveform.reshape(batch * channels, samples).float()
        shortest = self.window_size // 2 + 1
        if samples < shortest:
            flat = F.pad(flat, (0, shortest - samples))
        spectrum = torch.stft(
            flat,
            self.window_size,
            self.hop_size,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        frames_last = spectrum.view(batch, channels, *spectrum.shape[1:])
        return frames_last.transpose(2, 3)

    def inverse(self, spectrum: Tensor, samples: int) -> Tensor:
        """(batch, channels, frames, bins) complex64 to (batch, channels, samples) real."""
        batch, channels = spectrum.shape[:2]
        inverse = overlap_added if spectrum.is_cuda else inverse_stft
        length = max(samples, self.window_size // 2 + 1)
        waveform = inverse(spectrum.flatten(0, 1), self.window, self.hop_size, length)
        return waveform[:, :samples].reshape(batch, channels, samples)


def inverse_stft(spectrum: Tensor, window: Tensor, hop_size: int, length: int) -> Tensor:
    """torch's, of (batch, frames, bins) complex64: (batch, length)."""
    return torch.istft(
        spectrum.transpose(1, 2), len(window), hop_size, window=window, center=True, length=length
    )


def overlap_added(spectrum: Tensor, window: Tensor, hop_size: int, length: int) -> Tensor:
    """What `inverse_stft` gives, which looks at the window's values and so has the host wait for a GPU.

    Args:
        spectrum: (batch, frames, bins) complex64, of centred frames.
        window: (window_size,).
        hop_size: samples between frames.
        length: of the result, (batch, length).
    """
    size, count = len(window), spectrum.shape[1]
    whole = size + hop_size * (count - 1)
    summed = partial(F.fold, output_size=(1, whole), kernel_size=(1, size), stride=(1, hop_size))
    frames = torch.fft.irfft(spectrum, n=size, dim=2) * window
    weights = window.square()[None, :, None].expand(1, size, count)
    waveform = summed(frames.transpose(1, 2)) / summed(weights).clamp(min=1e-11)
    waveform = waveform[:, 0, 0, size // 2 : size // 2 + length]
    return F.pad(waveform, (0, length - waveform.shape[1]))
