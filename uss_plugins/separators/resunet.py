"""ResUNet: a U-net of residual blocks over the spectrogram, steered by additive FiLM.

Kong et al., *Universal Source Separation with Weakly Labelled Data*, arXiv 2305.07447, section III-C, and
*Decoupling Magnitude and Phase Estimation with Deep ResUNet*, ISMIR 2021, for the blocks and the output.

Shapes are written with these letters:

    B  batch          C  audio channels     L  samples
    T  STFT frames    F  STFT bins kept     K  feature channels of the place at hand
    Q  condition size

Deviations: decoder stages of the released code hold a second batch norm and a second FiLM layer that nothing
reads; they are left out here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry.errors import UserError
from uss_plugins.separators.filterbank import make_transform

if TYPE_CHECKING:
    from uss_plugins.separators.prepared import PreparedResUNet

NEGATIVE_SLOPE = 0.01
BATCH_NORM_MOMENTUM = 0.01


class ConditionedActivation(nn.Module):
    """Batch norm, plus a bias that the condition decides (FiLM without scale), then leaky ReLU."""

    def __init__(self, channels: int, condition_size: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, momentum=BATCH_NORM_MOMENTUM)
        self.film = nn.Linear(condition_size, channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, K, T, F) and (B, Q) to (B, K, T, F)."""
        return biased_leaky_relu(self.norm(x), self.film(condition).to(x.dtype))


class ResidualBlock(nn.Module):
    """Two pre-activated 3x3 convolutions beside a shortcut (1x1 where the channels change)."""

    def __init__(self, in_channels: int, out_channels: int, condition_size: int) -> None:
        super().__init__()
        self.activation1 = ConditionedActivation(in_channels, condition_size)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.activation2 = ConditionedActivation(out_channels, condition_size)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, K_in, T, F) to (B, K_out, T, F)."""
        y = self.conv1(self.activation1(x, condition))
        y = self.conv2(self.activation2(y, condition))
        summed: Tensor = y + self.shortcut(x)
        return summed


class Stage(nn.Module):
    """Residual blocks in a row; the first one changes the channels."""

    def __init__(
        self, in_channels: int, out_channels: int, condition_size: int, block_count: int
    ) -> None:
        super().__init__()
        sizes = [in_channels] + [out_channels] * block_count
        self.blocks = nn.ModuleList(ResidualBlock(a, b, condition_size) for a, b in pairwise(sizes))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, K_in, T, F) to (B, K_out, T, F)."""
        for block in self.blocks:
            x = block(x, condition)
        return x


class DecoderStage(nn.Module):
    """Upsample by a transposed convolution, join the encoder's skip, refine."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        condition_size: int,
        block_count: int,
        scale: tuple[int, int],
    ) -> None:
        super().__init__()
        self.activation = ConditionedActivation(in_channels, condition_size)
        self.upsample = nn.ConvTranspose2d(in_channels, out_channels, scale, scale, bias=False)
        self.stage = Stage(2 * out_channels, out_channels, condition_size, block_count)

    def forward(self, x: Tensor, skip: Tensor, condition: Tensor) -> Tensor:
        """(B, K_in, T, F) and the skip (B, K_out, T * scale, F * scale) to the skip's shape."""
        x = self.upsample(self.activation(x, condition))
        refined: Tensor = self.stage(torch.cat((x, skip), dim=1), condition)
        return refined


class ResUNet(nn.Module):
    """The paper's separator as one configurable network.

    Args:
        condition_size: length of the condition vector.
        sample_rate: Hz, of the audio it is trained on.
        channels: audio channels in and out.
        stage_channels: feature channels of each encoder stage; the decoder mirrors them. Each stage halves
            frequency, and each but the last halves time.
        blocks_per_stage: residual blocks in each stage.
        window_size: samples of the STFT's window; half of it must be a multiple of 2 ** stages.
        hop_size: samples between STFT frames.
        input_power: exponent of the magnitude that the net sees; 1 is the paper's, less compresses it, so
            that quiet sounds count for more. The maps are applied to the plain spectrum all the same.
        film_gain: what FiLM's initial kernels are multiplied by; 1 is the paper's, more lets the condition
            steer from the first steps on. It decides nothing once weights are loaded.
        filterbank: a trained transform in the place of the STFT, as {"name": "free"}, of the same window
            and hop; see `uss_plugins.separators.filterbank`. None is {"name": "stft"}.

    Raises:
        UserError: sizes that do not fit each other.
    """

    def __init__(
        self,
        *,
        condition_size: int,
        sample_rate: int = 32000,
        channels: int = 1,
        stage_channels: Sequence[int] = (32, 64, 128, 256, 384, 384),
        blocks_per_stage: int = 1,
        window_size: int = 2048,
        hop_size: int = 320,
        input_power: float = 1.0,
        film_gain: float = 1.0,
        filterbank: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_sizes(stage_channels, blocks_per_stage, window_size, hop_size, input_power, film_gain)
        self.input_power = input_power
        self.sample_rate = sample_rate
        self.channels = channels
        self.condition_size = condition_size
        self.stft = make_transform(filterbank, window_size, hop_size, sample_rate)

        sizes = [stage_channels[0], *stage_channels]
        self.scales = [(2, 2)] * (len(stage_channels) - 1) + [(1, 2)]
        bins = window_size // 2 + 1
        self.input_norm = nn.BatchNorm2d(bins, momentum=BATCH_NORM_MOMENTUM)
        self.input_conv = nn.Conv2d(channels, sizes[0], 1)
        self.encoder = nn.ModuleList(
            Stage(a, b, condition_size, blocks_per_stage) for a, b in pairwise(sizes)
        )
        self.bottleneck = Stage(sizes[-1], sizes[-1], condition_size, blocks_per_stage)
        widths = [sizes[-1], *reversed(stage_channels)]
        self.decoder = nn.ModuleList(
            DecoderStage(a, b, condition_size, blocks_per_stage, scale)
            for (a, b), scale in zip(pairwise(widths), reversed(self.scales), strict=True)
        )
        self.output_conv = nn.Conv2d(sizes[0], 3 * channels, 1)
        self.apply(initialise)
        for module in self.modules():
            if isinstance(module, ConditionedActivation):
                module.film.weight.data.mul_(film_gain)

    @property
    def frames_multiple(self) -> int:
        """Number of frames that time is padded to a multiple of."""
        return int(2 ** (len(self.scales) - 1))

    @property
    def is_channels_last(self) -> bool:
        """Whether `to(memory_format=torch.channels_last)` decided the layout; it trains faster there."""
        weight = self.encoder[0].blocks[0].conv1.weight  # type: ignore[union-attr, index]
        return not weight.is_contiguous()

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        """Extract from `mixture` (B, C, L) what `condition` (B, Q) describes: (B, C, L), float32."""
        spectrum = self.stft(mixture)
        maps = self.estimate_maps(spectrum.abs(), condition)
        return self.stft.inverse(apply_maps(spectrum, maps), mixture.shape[-1])

    def prepare(self, precision: torch.dtype = torch.float32) -> PreparedResUNet:
        """The same for inference only, several times as fast on a processor; it follows these weights."""
        from uss_plugins.separators.prepared import PreparedResUNet

        return PreparedResUNet(self, precision)

    def estimate_maps(self, magnitude: Tensor, condition: Tensor) -> Tensor:
        """(B, C, T, F + 1) magnitude to the three maps of `apply_maps`: (B, C, 3, T, F + 1)."""
        frames = magnitude.shape[2]
        # The norm is over bins, so they take the place of channels for it.
        seen = magnitude.clamp(min=1e-5) ** self.input_power
        x = self.input_norm(seen.transpose(1, 3)).transpose(1, 3)
        x = F.pad(x, (0, -1, 0, -frames % self.frames_multiple))
        x = self.input_conv(x.contiguous(memory_format=torch.channels_last))
        if self.is_channels_last:
            # Of a single channel the layouts look alike, and the convolution gives the other one.
            x = x.contiguous(memory_format=torch.channels_last)
        x = self.bottleneck_and_skips(x, condition)
        maps = F.pad(self.output_conv(x)[:, :, :frames], (0, 1))
        return maps.reshape(-1, self.channels, 3, *maps.shape[2:])

    def bottleneck_and_skips(self, x: Tensor, condition: Tensor) -> Tensor:
        """The U: (B, K, T, F) to the same shape."""
        skips = []
        for stage, scale in zip(self.encoder, self.scales, strict=True):
            skips.append(stage(x, condition))
            x = F.avg_pool2d(skips[-1], scale)
        x = self.bottleneck(x, condition)
        for stage in self.decoder:
            x = stage(x, skips.pop(), condition)
        return x


def biased_leaky_relu(x: Tensor, bias: Tensor) -> Tensor:
    """Leaky ReLU of `x` (B, K, T, F) plus `bias` (B, K), laid out as `x` is."""
    if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
        return F.leaky_relu_(x + bias[:, :, None, None], NEGATIVE_SLOPE)
    # Broadcast along whole frames of F * K values: along K alone, torch's inner loop on a processor is as
    # short as K, which takes seven times as long at 16 channels.
    batch, channels, frames, bins = x.shape
    flat = x.permute(0, 2, 3, 1).view(batch, frames, bins * channels)
    activated = F.leaky_relu_(flat + bias.repeat(1, bins).unsqueeze(1), NEGATIVE_SLOPE)
    return activated.view(batch, frames, bins, channels).permute(0, 3, 1, 2)


def apply_maps(spectrum: Tensor, maps: Tensor) -> Tensor:
    """The estimate's spectrum (B, C, T, F) from the mixture's and three real maps (B, C, 3, T, F).

    Magnitude: times the sigmoid of map 0. Phase: turned by the angle of (tanh(map 1), tanh(map 2)).
    """
    gain, real, imaginary = maps.float().unbind(2)
    turn = torch.complex(real.tanh(), imaginary.tanh())
    # The floor is the released system's: where both maps are 0 the estimate is 0, not NaN.
    length = (turn.real.square() + turn.imag.square()).clamp(min=1e-10).sqrt()
    return spectrum * (turn * (gain.sigmoid() / length))


def initialise(module: nn.Module) -> None:
    """Xavier-uniform kernels and zero biases; batch norms keep torch's 1 and 0."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def check_sizes(
    stage_channels: Sequence[int],
    blocks_per_stage: int,
    window_size: int,
    hop_size: int,
    input_power: float,
    film_gain: float,
) -> None:
    """Refuse sizes that cannot be built or cannot be inverted, in one line."""
    multiple = 2 ** len(stage_channels)
    if not stage_channels or min(stage_channels) < 1 or blocks_per_stage < 1:
        raise UserError(
            f"resunet: stage_channels={list(stage_channels)} and blocks_per_stage={blocks_per_stage}"
            " must be positive, with at least one stage"
        )
    if window_size < 2 or window_size % 2 or window_size // 2 % multiple:
        raise UserError(
            f"resunet: half of window_size={window_size} must be a multiple of {multiple}"
            f" (2 ** {len(stage_channels)} stages); use fewer stages or a window such as {8 * multiple}"
        )
    if input_power <= 0:
        raise UserError(f"resunet: input_power={input_power} must be positive; 1 is the paper's")
    if film_gain <= 0:
        raise UserError(f"resunet: film_gain={film_gain} must be positive; 1 is the paper's")
    if not 1 <= hop_size <= window_size // 2:
        raise UserError(f"resunet: hop_size={hop_size} must be in 1 to {window_size // 2}")


def resunet30(
    *,
    condition_size: int,
    sample_rate: int = 32000,
    channels: int = 1,
    stage_channels: Sequence[int] = (32, 64, 128, 256, 384, 384),
    blocks_per_stage: int = 1,
    window_size: int = 2048,
    hop_size: int = 320,
    input_power: float = 1.0,
    film_gain: float = 1.0,
    filterbank: Mapping[str, Any] | None = None,
) -> ResUNet:
    """ResUNet30, the separator of the paper: 21.4 M parameters and FiLM."""
    return ResUNet(
        condition_size=condition_size,
        sample_rate=sample_rate,
        channels=channels,
        stage_channels=stage_channels,
        blocks_per_stage=blocks_per_stage,
        window_size=window_size,
        hop_size=hop_size,
        input_power=input_power,
        film_gain=film_gain,
        filterbank=filterbank,
    )


def resunet60(
    *,
    condition_size: int,
    sample_rate: int = 32000,
    channels: int = 1,
    stage_channels: Sequence[int] = (32, 64, 128, 256, 384, 384),
    blocks_per_stage: int = 2,
    window_size: int = 2048,
    hop_size: int = 320,
    input_power: float = 1.0,
    film_gain: float = 1.0,
    filterbank: Mapping[str, Any] | None = None,
) -> ResUNet:
    """ResUNet60: two residual blocks per stage, otherwise ResUNet30."""
    return ResUNet(
        condition_size=condition_size,
        sample_rate=sample_rate,
        channels=channels,
        stage_channels=stage_channels,
        blocks_per_stage=blocks_per_stage,
        window_size=window_size,
        hop_size=hop_size,
        input_power=input_power,
        film_gain=film_gain,
        filterbank=filterbank,
    )


def resunet_small(
    *,
    condition_size: int,
    sample_rate: int = 16000,
    channels: int = 1,
    stage_channels: Sequence[int] = (16, 32, 64, 96, 128),
    blocks_per_stage: int = 1,
    window_size: int = 512,
    hop_size: int = 256,
    input_power: float = 0.3,
    film_gain: float = 1.0,
    filterbank: Mapping[str, Any] | None = None,
) -> ResUNet:
    """A ResUNet that two processor cores train in minutes: 16 kHz, five stages, half the channels."""
    return ResUNet(
        condition_size=condition_size,
        sample_rate=sample_rate,
        channels=channels,
        stage_channels=stage_channels,
        blocks_per_stage=blocks_per_stage,
        window_size=window_size,
        hop_size=hop_size,
        input_power=input_power,
        film_gain=film_gain,
        filterbank=filterbank,
    )
