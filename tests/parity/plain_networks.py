"""The released networks once more, written out plainly in float64: an independent reference for any size.

Weights go by their released names. Nothing of the package computes here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from parity.released_checkpoint import hann, mel_kernel
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]


def stft(audio: NDArray[np.float64], window_size: int, hop_size: int) -> NDArray[np.complex128]:
    """Centred, Hann, reflected at the ends: (samples,) to (frames, bins), frame by frame."""
    padded = np.pad(audio, window_size // 2, mode="reflect")
    starts = range(0, len(padded) - window_size + 1, hop_size)
    return np.stack([np.fft.rfft(padded[a : a + window_size] * hann(window_size)) for a in starts])


def istft(spectrum: NDArray[np.complex128], samples: int, hop_size: int) -> NDArray[np.float64]:
    """Overlap-add of `stft`'s frames: (frames, bins) to (samples,)."""
    window_size = 2 * (spectrum.shape[1] - 1)
    summed = np.zeros((2, (len(spectrum) - 1) * hop_size + window_size))
    for frame, bins in enumerate(spectrum):
        place = slice(frame * hop_size, frame * hop_size + window_size)
        summed[0, place] += np.fft.irfft(bins) * hann(window_size)
        summed[1, place] += hann(window_size) ** 2
    middle = slice(window_size // 2, window_size // 2 + samples)
    return summed[0, middle] / summed[1, middle]


def norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Batch norm of axis 1, as in evaluation."""
    mean, variance, scale, bias = (
        weights[f"{name}.{part}"].view(1, -1, 1, 1)
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (variance + 1e-5).sqrt() * scale + bias


class PlainPanns:
    """Cnn14 and Cnn14_DecisionLevelMax."""

    def __init__(self, weights: Weights) -> None:
        self.weights = {name: value.double() for name, value in weights.items()}

    def features(self, audio: Tensor) -> Tensor:
        """(batch, samples) to (batch, channels, steps)."""
        weights = self.weights
        spectra = np.stack([stft(one, 1024, 320) for one in audio.double().numpy()])
        mels = np.maximum(np.abs(spectra) ** 2 @ mel_kernel(), 1e-10)
        x = torch.from_numpy(10 * np.log10(mels))[:, None]  # (batch, 1, frames, mels)
        x = norm(weights, "bn0", x.transpose(1, 3)).transpose(1, 3)
        for block in range(1, 7):
            for layer in (1, 2):
                kernel = weights[f"conv_block{block}.conv{layer}.weight"]
                x = norm(weights, f"conv_block{block}.bn{layer}", F.conv2d(x, kernel, padding=1))
                x = x.clamp(min=0)
            x = F.avg_pool2d(x, 2) if block < 6 else x
        return x.mean(3)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def tag(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Clip probabilities and embedding."""
        x = self.features(audio)
        embedding = self.linear("fc1", x.amax(2) + x.mean(2)).clamp(min=0)
        return self.linear("fc_audioset", embedding).sigmoid(), embedding

    def detect(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Clip probabilities and frame probabilities (batch, frames, classes)."""
        x = self.features(audio)
        padded = F.pad(x, (1, 1))
        highest = F.pad(x, (1, 1), value=-torch.inf).unfold(2, 3, 1).amax(3)
        steps = (highest + padded.unfold(2, 3, 1).mean(3)).transpose(1, 2)
        steps = self.linear("fc_audioset", self.linear("fc1", steps).clamp(min=0)).sigmoid()
        frames = steps.repeat_interleave(32, dim=1)
        lacking = audio.shape[1] // 320 + 1 - frames.shape[1]
        return steps.amax(1), torch.cat((frames, frames[:, -1:].expand(-1, lacking, -1)), dim=1)


class PlainResUNet:
    """ResUNet30 of any width: one residual block in each of its thirteen stages."""

    def __init__(self, weights: Weights, condition: Tensor) -> None:
        self.weights = {name: value.double() for name, value in weights.items()}
        self.condition = condition.double()

    def activated(self, place: str, number: int, x: Tensor) -> Tensor:
        """Batch norm, FiLM, leaky ReLU."""
        film = f"film.{place.replace('.', '->')}->beta{number}"
        bias = self.condition @ self.weights[f"{film}.weight"].T + self.weights[f"{film}.bias"]
        x = norm(self.weights, f"base.{place}.bn{number}", x) + bias[:, :, None, None]
        return torch.where(x > 0, x, 0.01 * x)

    def block(self, place: str, x: Tensor) -> Tensor:
        """A residual block."""
        y = x
        for number in (1, 2):
            kernel = self.weights[f"base.{place}.conv{number}.weight"]
            y = F.conv2d(self.activated(place, number, y), kernel, padding=1)
        return y + self.pointwise(f"base.{place}.shortcut", x)

    def pointwise(self, name: str, x: Tensor) -> Tensor:
        """A 1x1 convolution, or nothing where there is none."""
        if f"{name}.weight" not in self.weights:
            return x
        return F.conv2d(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def maps(self, magnitude: Tensor) -> Tensor:
        """(batch, channels, frames, bins) to (batch, 3 * channels, frames, bins)."""
        x = norm(self.weights, "base.bn0", magnitude.transpose(1, 3)).transpose(1, 3)
        frames = x.shape[2]
        x = F.pad(x, (0, 0, 0, -frames % 32))[..., :-1]
        x = self.pointwise("base.pre_conv", x)
        skips = []
        for stage in range(1, 7):
            skips.append(self.block(f"encoder_block{stage}.conv_block1", x))
            x = F.avg_pool2d(skips[-1], (2, 2) if stage < 6 else (1, 2))
        x = self.block("conv_block7a.conv_block1", x)
        for stage in range(1, 7):
            scale = (1, 2) if stage == 1 else (2, 2)
            x = self.activated(f"decoder_block{stage}", 1, x)
            kernel = self.weights[f"base.decoder_block{stage}.conv1.weight"]
            x = torch.cat((F.conv_transpose2d(x, kernel, stride=scale), skips.pop()), 1)
            x = self.block(f"decoder_block{stage}.conv_block2", x)
        return F.pad(self.pointwise("base.after_conv", x)[:, :, :frames], (0, 1))

    def __call__(self, mixture: Tensor) -> NDArray[np.float64]:
        """Estimate (batch, channels, samples); map k of channel c is number 3 * c + k."""
        batch, channels, samples = mixture.shape
        spectra = np.stack(
            [[stft(one, 2048, 320) for one in item] for item in mixture.double().numpy()]
        )
        maps = self.maps(torch.from_numpy(np.maximum(np.abs(spectra), 1e-5))).numpy()
        estimate = np.zeros((batch, channels, samples))
        for item in range(batch):
            for channel in range(channels):
                gain, real, imaginary = maps[item, 3 * channel : 3 * channel + 3]
                turn = np.tanh(real) + 1j * np.tanh(imaginary)
                turn /= np.maximum(
                    np.abs(turn), 1e-5
                )  # the last bin's maps are zeros, and so is it
                changed = spectra[item, channel] / (1 + np.exp(-gain)) * turn
                estimate[item, channel] = istft(changed, samples, 320)
        return estimate
