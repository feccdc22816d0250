"""The residual blocks of a ResUNet prepared for inference, which can give any span of their frames.

Letters of shapes as in `uss_plugins.separators.resunet`. Products of kernels are computed in float64. A span
is computed from the frames that its two 3x3 convolutions reach, two beyond it at either side; what padding
makes of frames at a cut is thrown away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor, nn

from uss_plugins.prepared_layers import Layer, convolution, folded_norm, scaling, upsampling

if TYPE_CHECKING:
    from uss_plugins.separators.resunet import ConditionedActivation, DecoderStage, ResidualBlock

NEGATIVE_SLOPE = 0.01  # of the ResUNet's leaky ReLUs; its own module imports this one


class Span(NamedTuple):
    """Frames from `begin` to before `end`, of `frames` in all."""

    begin: int
    end: int
    frames: int

    def wider(self, by: int) -> Span:
        """With neighbours at both sides, as far as there are any."""
        return Span(max(0, self.begin - by), min(self.frames, self.end + by), self.frames)

    def within(self, other: Span) -> Span:
        """Where these frames are among those of `other`."""
        return Span(self.begin - other.begin, self.end - other.begin, other.end - other.begin)

    def divided(self, scale: int) -> Span:
        """The frames that these are upsampled from; its ends must be multiples of `scale`."""
        return Span(self.begin // scale, self.end // scale, self.frames // scale)


def frames_of(x: Tensor, span: Span) -> Tensor:
    """Some frames of (B, K, T, F), as a view. Of a single item they are channels-last and dense again."""
    if span.end - span.begin == x.shape[2]:
        return x
    last = x.permute(0, 2, 3, 1)[0, span.begin : span.end]
    return last.unsqueeze(0).permute(0, 3, 1, 2)


class Films:
    """Collects the FiLM layers of all places, to be one matrix product; a place gets its columns."""

    def __init__(self) -> None:
        self._weights: list[Tensor] = []
        self._biases: list[Tensor] = []
        self._size = 0

    def add(self, place: ConditionedActivation, shift: Tensor) -> slice:
        """Columns of the biases of `place`, whose norm shifts by `shift`."""
        self._weights.append(place.film.weight)
        self._biases.append((place.film.bias.double() + shift).float())
        begin, self._size = self._size, self._size + len(shift)
        return slice(begin, self._size)

    def stacked(self) -> tuple[Tensor, Tensor]:
        """Weight (sum of K, Q) and bias (sum of K,)."""
        return torch.cat(self._weights).float(), torch.cat(self._biases)


class Halves(NamedTuple):
    """The columns of a joint's first activation: those of the upsampled, and those of the skip."""

    upsampled: slice
    skip: slice


class Block:
    """A residual block: activation, convolution with the second norm in it, activation, convolution, sum."""

    def __init__(self, source: ResidualBlock, dtype: torch.dtype, films: Films) -> None:
        scale1, shift1 = folded_norm(source.activation1.norm)
        scale2, shift2 = folded_norm(source.activation2.norm)
        self.out_channels = len(scale2)
        self._columns1 = films.add(source.activation1, shift1)
        self._columns2 = films.add(source.activation2, shift2)
        self._activation = scaling(scale1, dtype)
        self._conv1 = convolution(source.conv1.weight * scale2[:, None, None, None], dtype)
        self._conv2 = convolution(source.conv2.weight, dtype)
        self._shortcut: Layer | None = None
        if isinstance(source.shortcut, nn.Conv2d):
            self._shortcut = convolution(source.shortcut.weight, dtype)
            self._shortcut_bias = float_row(source.shortcut.bias)

    def rows(self, x: Tensor, biases: Tensor, span: Span) -> Tensor:
        """A span of the block's frames, (B, K_out, frames of it, F), from all of `x` (B, K_in, T, F)."""
        wide, near = span.wider(2), span.wider(1)
        y = self._activation(frames_of(x, wide), biases[:, self._columns1], slope=NEGATIVE_SLOPE)
        y = self._conv1(y, biases[:, self._columns2], slope=NEGATIVE_SLOPE)
        residual = frames_of(x, near)
        residual = (
            residual.clone(memory_format=torch.preserve_format)
            if self._shortcut is None
            else self._shortcut(residual, self._shortcut_bias)
        )
        y = self._conv2(frames_of(y, near.within(wide)), into=residual)
        return frames_of(y, span.within(near))


class Joint:
    """The first block of a decoder stage, which reads the upsampled and the skip each by its own kernels."""

    def __init__(self, source: DecoderStage, dtype: torch.dtype, films: Films) -> None:
        first = blocks_of(source.stage)[0]
        assert isinstance(first.shortcut, nn.Conv2d)  # it halves the channels
        scale0, shift0 = folded_norm(source.activation.norm)
        scale1, shift1 = folded_norm(first.activation1.norm)
        scale2, shift2 = folded_norm(first.activation2.norm)
        half = self.out_channels = len(scale2)
        self._columns0 = films.add(source.activation, shift0)
        both = films.add(first.activation1, shift1)
        middle = both.start + half
        self._columns1 = Halves(slice(both.start, middle), slice(middle, both.stop))
        self._columns2 = films.add(first.activation2, shift2)
        up = source.upsample.weight.double()  # (K_in, K_out, *scale)
        self._scale = up.shape[2]
        kernel1 = first.conv1.weight * scale2[:, None, None, None]
        shortcut = first.shortcut.weight.double()
        upsampled_shortcut = torch.einsum("iuhw,ou->iohw", up, shortcut[:, :half, 0, 0])
        self._activation = scaling(scale0, dtype)
        self._upsample = upsampling(up * scale1[:half, None, None], dtype)
        self._upsample_shortcut = upsampling(upsampled_shortcut, dtype)
        self._skip_activation = scaling(scale1[half:], dtype)
        self._skip_shortcut = convolution(shortcut[:, half:], dtype)
        self._shortcut_bias = float_row(first.shortcut.bias)
        self._conv1 = convolution(kernel1[:, :half], dtype)
        self._skip_conv1 = convolution(kernel1[:, half:], dtype)
        self._conv2 = convolution(first.conv2.weight, dtype)

    def rows(self, x: Tensor, skip: Tensor, biases: Tensor, span: Span) -> Tensor:
        """A span of the block's frames, from all of (B, K_in, T, F) and the skip (B, K_out, T', F')."""
        wide, near = span.wider(2), span.wider(1)
        low = frames_of(x, wide.divided(self._scale))
        low = self._activation(low, biases[:, self._columns0], slope=NEGATIVE_SLOPE)
        y = self._upsample(low, biases[:, self._columns1.upsampled], slope=NEGATIVE_SLOPE)
        y = self._conv1(y, biases[:, self._columns2])
        seen = self._skip_activation(
            frames_of(skip, wide), biases[:, self._columns1.skip], slope=NEGATIVE_SLOPE
        )
        y = self._skip_conv1(seen, slope=NEGATIVE_SLOPE, into=y)
        residual = self._upsample_shortcut(low, self._shortcut_bias)
        residual = frames_of(residual, near.within(wide))
        residual = self._skip_shortcut(frames_of(skip, near), into=residual)
        y = self._conv2(frames_of(y, near.within(wide)), into=residual)
        return frames_of(y, span.within(near))


def blocks_of(stage: nn.Module) -> list[ResidualBlock]:
    """The blocks of a stage."""
    return list(cast("Iterable[ResidualBlock]", stage.blocks))


def float_row(bias: Tensor | None) -> Tensor | None:
    """A bias (K,) as layers take it: (1, K)."""
    return None if bias is None else bias.float()[None]
