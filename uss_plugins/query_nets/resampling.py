"""Resampling within a query net, on its device, so that it can stand beside a separator of another rate."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uss_plugins.audio.resampling import resampled_samples
from uss_plugins.ecosystems import import_torchaudio


class Resample(nn.Module):
    """Audio (batch, samples) from one rate (Hz) to another, in float32; equal rates pass through untouched.

    By torchaudio's windowed-sinc kernel, made once and moved with the net. Nothing is stored.
    """

    kernel: Tensor

    def __init__(self, from_rate: int, to_rate: int) -> None:
        super().__init__()
        self.from_rate, self.to_rate = from_rate, to_rate
        self.is_needed = from_rate != to_rate
        if self.is_needed:
            with torch.device("cpu"):  # torchaudio makes some of it there, whatever the default
                transform = import_torchaudio().transforms.Resample(from_rate, to_rate)
            self.register_buffer("kernel", transform.kernel, persistent=False)
            self.reach = int(transform.width)  # samples of the kernel before and after a step
            self.step = from_rate // math.gcd(
                from_rate, to_rate
            )  # samples that a kernel advances by

    def forward(self, audio: Tensor) -> Tensor:
        """(batch, ceil(samples * to_rate / from_rate)) at the new rate."""
        audio = audio.float()
        if not self.is_needed:
            return audio
        samples = resampled_samples(audio.shape[1], self.from_rate, self.to_rate)
        padded = F.pad(audio, (self.reach, self.reach + self.step)).unsqueeze(1)
        with torch.autocast(audio.device.type, enabled=False):
            # (batch, phases, steps), each phase a sample of the new rate within a step
            resampled = F.conv1d(padded, self.kernel.float(), stride=self.step)
        return resampled.transpose(1, 2).flatten(1)[:, :samples]
