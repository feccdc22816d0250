"""The paper's system in the plainest way: what the prepared separator is measured against.

Eager, channels first, float32, every operation by itself. The STFT and its inverse are convolutions with a
DFT matrix; recordings are cut into 2-s segments without overlap, eight at a time; a query by class tags each
segment; the walk over the ontology tags every segment anew for every node, one at a time. Weights are those
of the modules they are made from, so results can be compared.

Shapes: B batch, L samples, T frames, F bins, K feature channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from uss_plugins.query_nets.panns_network import Panns
from uss_plugins.separators.resunet import ResUNet

SEGMENT_SECONDS, SEGMENTS_AT_ONCE = 2, 8
THRESHOLD = 0.2


class DftStft(nn.Module):
    """Centred STFT with a Hann window and reflect padding, as a convolution; and its inverse."""

    kernels: Tensor
    inverse_kernels: Tensor
    window: Tensor

    def __init__(self, window_size: int, hop_size: int) -> None:
        super().__init__()
        self.window_size, self.hop_size = window_size, hop_size
        window = torch.hann_window(window_size, dtype=torch.float64)
        bins = window_size // 2 + 1
        # Whole turns are left out before anything is rounded.
        turns = torch.outer(torch.arange(bins), torch.arange(window_size)) % window_size
        angle = 2 * math.pi / window_size * turns.double()
        forward = torch.cat((angle.cos(), -angle.sin())) * window
        weight = torch.full((bins, 1), 2.0, dtype=torch.float64)
        weight[0] = weight[-1] = 1.0  # the others stand for their mirror images, too
        backward = torch.cat((angle.cos() * weight, -angle.sin() * weight)) / window_size * window
        self.register_buffer("kernels", forward.float()[:, None])
        self.register_buffer("inverse_kernels", backward.float()[:, None])
        self.register_buffer("window", window.float())

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L) to real and imaginary part, (B, 1, T, F) each."""
        padded = F.pad(audio[:, None], (self.window_size // 2,) * 2, mode="reflect")
        spectrum = F.conv1d(padded, self.kernels, stride=self.hop_size)
        real, imaginary = spectrum.transpose(1, 2)[:, None].chunk(2, dim=3)
        return real, imaginary

    def inverse(self, real: Tensor, imaginary: Tensor, samples: int) -> Tensor:
        """Back to (B, L)."""
        spectrum = torch.cat((real, imaginary), dim=3)[:, 0].transpose(1, 2)
        summed = F.conv_transpose1d(spectrum, self.inverse_kernels, stride=self.hop_size)[:, 0]
        kernel = self.window.square()[None, None]
        ones = torch.ones(1, 1, spectrum.shape[2], device=spectrum.device)
        total = F.conv_transpose1d(ones, kernel, stride=self.hop_size)[0, 0].clamp(min=1e-11)
        middle = slice(self.window_size // 2, self.window_size // 2 + samples)
        return summed[:, middle] / total[middle]


class PlainResUNet(nn.Module):
    """A mono ResUNet with one block in each stage, from the weights of `source`."""

    def __init__(self, source: ResUNet) -> None:
        super().__init__()
        self.source = source
        self.stft = DftStft(source.stft.window_size, source.stft.hop_size)

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        """Estimate (B, 1, L) of what `condition` (B, Q) describes in `mixture` (B, 1, L)."""
        real, imaginary = self.stft(mixture[:, 0])
        magnitude = (real**2 + imaginary**2).clamp(min=1e-10) ** 0.5
        cosine, sine = real / magnitude, imaginary / magnitude
        maps = self._maps(magnitude, condition)
        gain = torch.sigmoid(maps[:, 0:1])
        turn_real, turn_imaginary = torch.tanh(maps[:, 1:2]), torch.tanh(maps[:, 2:3])
        length = (turn_real**2 + turn_imaginary**2).clamp(min=1e-10) ** 0.5
        turn_cosine, turn_sine = turn_real / length, turn_imaginary / length
        estimate_real = magnitude * gain * (cosine * turn_cosine - sine * turn_sine)
        estimate_imaginary = magnitude * gain * (sine * turn_cosine + cosine * turn_sine)
        return self.stft.inverse(estimate_real, estimate_imaginary, mixture.shape[-1])[:, None]

    def _maps(self, magnitude: Tensor, condition: Tensor) -> Tensor:
        source: Any = self.source
        frames = magnitude.shape[2]
        x = source.input_norm((magnitude**source.input_power).transpose(1, 3)).transpose(1, 3)
        x = F.pad(x, (0, 0, 0, -frames % source.frames_multiple))[..., :-1].contiguous()
        x = source.input_conv(x)
        skips = []
        for stage, scale in zip(source.encoder, source.scales, strict=True):
            x = plain_block(stage.blocks[0], x, condition)
            skips.append(x)
            x = F.avg_pool2d(x, scale)
        x = plain_block(source.bottleneck.blocks[0], x, condition)
        for stage in source.decoder:
            x = stage.upsample(plain_activation(stage.activation, x, condition))
            x = torch.cat((x, skips.pop()), dim=1)
            x = plain_block(stage.stage.blocks[0], x, condition)
        return F.pad(source.output_conv(x), (0, 1))[:, :, :frames]


def plain_activation(place: Any, x: Tensor, condition: Tensor) -> Tensor:
    """Batch norm, FiLM's bias, leaky ReLU; three operations."""
    bias = place.film(condition)[:, :, None, None]
    return F.leaky_relu(place.norm(x) + bias, 0.01)


def plain_block(block: Any, x: Tensor, condition: Tensor) -> Tensor:
    """A residual block."""
    y = block.conv1(plain_activation(block.activation1, x, condition))
    y = block.conv2(plain_activation(block.activation2, y, condition))
    return y + block.shortcut(x)


class PlainTagger(nn.Module):
    """Cnn14 with its spectrogram as a convolution, from the weights of `source`."""

    def __init__(self, source: Panns) -> None:
        super().__init__()
        self.source = source
        self.stft = DftStft(source.log_mel.n_fft, source.log_mel.hop_length)

    def forward(self, audio: Tensor) -> Tensor:
        """Clip probabilities (B, classes) of (B, L)."""
        source: Any = self.source
        real, imaginary = self.stft(audio)
        mels = (real**2 + imaginary**2) @ source.log_mel.filters
        x = 10.0 * torch.log10(mels.clamp(min=1e-10))  # (B, 1, T, bands)
        x = source.bn0(x.transpose(1, 3)).transpose(1, 3).contiguous()
        for number in range(1, source.block_count + 1):
            block = source.get_submodule(f"conv_block{number}")
            x = F.relu(block.bn1(block.conv1(x)))
            x = F.relu(block.bn2(block.conv2(x)))
            x = F.avg_pool2d(x, 2) if number < source.block_count else x
        features = x.mean(dim=3)
        pooled = features.amax(dim=2) + features.mean(dim=2)
        return torch.sigmoid(source.fc_audioset(F.relu(source.fc1(pooled))))


@torch.no_grad()
def separate_class(
    tagger: PlainTagger, separator: PlainResUNet, audio: Tensor, classes: Sequence[int]
) -> Tensor:
    """One class of a recording (L,), eight segments at a time: the released way by default."""
    samples = SEGMENT_SECONDS * separator.source.sample_rate
    segments = F.pad(audio, (0, -len(audio) % samples)).view(-1, samples)
    estimates = []
    for batch in segments.split(SEGMENTS_AT_ONCE):
        condition = kept_classes(tagger(batch), classes)
        silent = condition.amax(1) < THRESHOLD
        estimate = separator(batch[:, None], condition)[:, 0]
        estimate[silent] = 0
        estimates.append(estimate)
    return torch.cat(estimates).flatten()[: len(audio)]


@torch.no_grad()
def separate_node(
    tagger: PlainTagger, separator: PlainResUNet, segment: Tensor, classes: Sequence[int]
) -> Tensor:
    """One node in one segment (L,): the tagger again and, if the node is active, the separator."""
    condition = kept_classes(tagger(segment[None]), classes)
    if float(condition.amax()) < THRESHOLD:
        return torch.zeros_like(segment)
    return separator(segment[None, None], condition)[0, 0]


def kept_classes(probabilities: Tensor, classes: Sequence[int]) -> Tensor:
    """The probabilities (B, classes) with all other classes at zero."""
    condition = torch.zeros_like(probabilities)
    condition[:, list(classes)] = probabilities[:, list(classes)]
    return condition
