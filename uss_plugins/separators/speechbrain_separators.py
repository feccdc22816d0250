"""SpeechBrain's SepFormer and RE-SepFormer as plug-ins: a condition, any length, any channels.

Subakan et al., *Attention is All You Need in Speech Separation*, arXiv 2010.13154, and *Resource-Efficient
Separation Transformer*, arXiv 2206.09507. SpeechBrain's networks estimate a fixed number of speakers; here
they estimate one source, the one that a condition describes: FiLM modulates what enters the masker and each
of its repeated blocks (`uss_plugins.separators.modulation`).

Shapes: B batch, C audio channels, L samples, Q condition size, T frames, N filters, S segments of K frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry.errors import UserError
from registry.plugins import one_line
from uss_plugins.ecosystems import import_speechbrain
from uss_plugins.separators.modulation import Modulation, Place, place_names, probe_places

_PROBE_FRAMES = (5, 38)
_BUILD_ERRORS = (
    ArithmeticError,
    AssertionError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)  # what SpeechBrain and PyTorch raise for sizes that make no network


class SpeechBrainSeparator(nn.Module):
    """A network of SpeechBrain's that encodes, masks and decodes, made to follow a condition.

    Audio channels are separated one by one, as items of the batch. A recording is padded to whole frames of
    the encoder, and the estimate cut to its length.

    Args:
        name: of the plug-in, for messages.
        build: makes the network: (batch, samples) to (batch, samples), with the parts `encoder`, `masknet`
            and `decoder`.
        condition_size: length of the condition vector.
        sample_rate: Hz, of the audio it is trained on.
        channels: audio channels in and out.
        encoder_kernel_size: samples of a frame; the next begins half of them later.
        lone_block: name of the block, if there is only one; several in a list are found.
        feature_axis: axis of the features in what enters the blocks, where it is not the first that does not
            follow the recording's length; see `probe_places`.

    Raises:
        UserError: no network can be built of the sizes.
    """

    def __init__(
        self,
        name: str,
        build: Callable[[], nn.Module],
        *,
        condition_size: int,
        sample_rate: int,
        channels: int,
        encoder_kernel_size: int,
        lone_block: str | None = None,
        feature_axis: int | None = None,
    ) -> None:
        super().__init__()
        if encoder_kernel_size < 2 or encoder_kernel_size % 2:
            raise UserError(
                f"{name}: encoder_kernel_size={encoder_kernel_size} must be even, and at least 2"
            )
        self.sample_rate = sample_rate
        self.channels = channels
        self.condition_size = condition_size
        self.frame_samples, self.hop_samples = encoder_kernel_size, encoder_kernel_size // 2
        device = torch.get_default_device()
        with torch.device("cpu"):  # where probes can be run, whatever the default
            try:
                self.network = build()
                use_endless_positions(self.network)
                places = self._find_places(lone_block, feature_axis)
            except _BUILD_ERRORS as error:
                raise UserError(
                    f"{name}: no network can be built of these sizes: {one_line(error)}"
                ) from error
            self.modulation = Modulation(self.network, places, condition_size)
        self.to(device)

    def _find_places(self, lone_block: str | None, feature_axis: int | None) -> list[Place]:
        several = place_names(self.network, masker="masknet")
        short, long = (self.whole_frames(frames * self.hop_samples) for frames in _PROBE_FRAMES)
        return probe_places(
            self.network,
            several if lone_block is None else ["masknet", lone_block],
            self.network,
            axis=feature_axis,
            probe_samples=(short, long),
        )

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        """Extract from `mixture` (B, C, L) what `condition` (B, Q) describes: (B, C, L), float32."""
        channels, samples = mixture.shape[1:]
        flat = mixture.reshape(-1, samples)  # (B * C, L)
        padded = F.pad(flat, (0, self.whole_frames(samples) - samples))
        with self.modulation.following(condition.repeat_interleave(channels, dim=0)):
            estimate: Tensor = self.network(padded)
        return estimate[:, :samples].reshape(mixture.shape).float()

    def whole_frames(self, samples: int) -> int:
        """The least number of samples, at least `samples`, that whole frames cover."""
        hops = -(-max(samples - self.frame_samples, 0) // self.hop_samples)
        return self.frame_samples + hops * self.hop_samples


class EncoderMaskerDecoder(nn.Module):
    """SpeechBrain's SepFormer pipeline for one source: the masker weighs what the encoder finds."""

    def __init__(self, masknet: nn.Module, kernel_size: int, filters: int) -> None:
        super().__init__()
        dual_path = import_speechbrain("speechbrain.lobes.models.dual_path")
        self.encoder = dual_path.Encoder(kernel_size=kernel_size, out_channels=filters)
        self.masknet = masknet
        self.decoder = dual_path.Decoder(
            filters, 1, kernel_size=kernel_size, stride=kernel_size // 2, bias=False
        )

    def forward(self, mixture: Tensor) -> Tensor:
        """(B, L), L whole frames, to (B, L)."""
        frames = self.encoder(mixture)  # (B, N, T)
        estimate: Tensor = self.decoder(frames * self.masknet(frames)[0])
        return estimate


class Positions(nn.Module):
    """SpeechBrain's sinusoidal positional encoding for any length, which its own stores for a limited one.

    size: of the encoding; even.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Encodings (1, time, size) of the positions of `x` (batch, time, size)."""
        place = torch.arange(x.shape[1], device=x.device, dtype=torch.float32).unsqueeze(1)
        even = torch.arange(0, self.size, 2, device=x.device, dtype=torch.float32)
        angle = place * torch.exp(even * -(math.log(10000.0) / self.size))
        return torch.stack((angle.sin(), angle.cos()), dim=2).flatten(1).unsqueeze(0).to(x.dtype)


def use_endless_positions(network: nn.Module) -> None:
    """Put `Positions` in the place of every stored positional encoding of a network."""
    stored = import_speechbrain(
        "speechbrain.lobes.models.transformer.Transformer"
    ).PositionalEncoding
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, stored):
                setattr(module, name, Positions(child.pe.shape[2]))


class ByItemPipeline(nn.Module):
    """RE-SepFormer's pipeline, its memory kept to each item of the batch.

    SpeechBrain's lets the segments of all recordings of a batch attend to each other, so that what it makes
    of a recording depends on the rest of its batch. With one recording both are the same.

    pipeline: SpeechBrain's `ResourceEfficientSeparationPipeline` with the memory "av"; gives its parts.
    """

    def __init__(self, pipeline: Any) -> None:
        super().__init__()
        self.segment_size: int = pipeline.segment_size
        self.seg_model: nn.ModuleList = pipeline.seg_model
        self.mem_model: nn.ModuleList = pipeline.mem_model
        self.output_fc: nn.Module = pipeline.output_fc

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, N) to (B, T, N)."""
        batch, length, size = frames.shape
        padded = F.pad(frames, (0, 0, 0, self.segment_size - length % self.segment_size))
        segments = padded.reshape(-1, self.segment_size, size)  # (B * S, K, N)
        memory = segments.new_zeros(len(segments), 1, size)
        for number, within in enumerate(self.seg_model):
            segments = within(segments + memory)
            if number < len(self.mem_model):
                means = segments.mean(1).view(batch, -1, size)  # (B, S, N)
                memory = self.mem_model[number](means).reshape(-1, 1, size)
        joined = segments.reshape(batch, -1, size)[:, :length]
        masked: Tensor = self.output_fc(joined.transpose(1, 2)).transpose(1, 2)
        return masked


def speechbrain_sepformer(
    *,
    condition_size: int,
    sample_rate: int = 16000,
    channels: int = 1,
    encoder_kernel_size: int = 32,
    encoder_out_nchannels: int = 64,
    masknet_chunksize: int = 100,
    masknet_numlayers: int = 2,
    masknet_norm: Literal["ln", "gln", "cln", "bn"] = "ln",
    masknet_useextralinearlayer: bool = False,
    masknet_extraskipconnection: bool = True,
    intra_numlayers: int = 1,
    inter_numlayers: int = 1,
    intra_nhead: int = 4,
    inter_nhead: int = 4,
    intra_dffn: int = 128,
    inter_dffn: int = 128,
    dropout: float = 0.0,
    intra_use_positional: bool = True,
    inter_use_positional: bool = True,
    intra_norm_before: bool = True,
    inter_norm_before: bool = True,
) -> SpeechBrainSeparator:
    """SepFormer (arXiv 2010.13154): transformers within chunks of frames, then across them.

    The parameters are those of SpeechBrain's `SepformerWrapper`, and the dropout of its transformer blocks;
    the defaults are sizes that two processor cores train. SpeechBrain's own: encoder_kernel_size 16,
    encoder_out_nchannels 256, masknet_chunksize 250, intra_numlayers and inter_numlayers 8, intra_nhead and
    inter_nhead 8, intra_dffn and inter_dffn 1024, dropout 0.1.
    """
    dual_path = import_speechbrain("speechbrain.lobes.models.dual_path")

    def build() -> nn.Module:
        if min(masknet_numlayers, masknet_chunksize // 2) < 1:
            raise ValueError(
                f"masknet_numlayers={masknet_numlayers} must be at least 1,"
                f" masknet_chunksize={masknet_chunksize} at least 2"
            )
        within, across = (
            dual_path.SBTransformerBlock(
                num_layers=layers,
                d_model=encoder_out_nchannels,
                nhead=heads,
                d_ffn=size,
                dropout=dropout,
                use_positional_encoding=positional,
                norm_before=norm_before,
            )
            for layers, heads, size, positional, norm_before in (
                (intra_numlayers, intra_nhead, intra_dffn, intra_use_positional, intra_norm_before),
                (inter_numlayers, inter_nhead, inter_dffn, inter_use_positional, inter_norm_before),
            )
        )
        masknet = dual_path.Dual_Path_Model(
            in_channels=encoder_out_nchannels,
            out_channels=encoder_out_nchannels,
            intra_model=within,
            inter_model=across,
            num_layers=masknet_numlayers,
            norm=masknet_norm,
            K=masknet_chunksize,
            num_spks=1,
            skip_around_intra=masknet_extraskipconnection,
            linear_layer_after_inter_intra=masknet_useextralinearlayer,
        )
        return EncoderMaskerDecoder(masknet, encoder_kernel_size, encoder_out_nchannels)

    return SpeechBrainSeparator(
        "speechbrain_sepformer",
        build,
        condition_size=condition_size,
        sample_rate=sample_rate,
        channels=channels,
        encoder_kernel_size=encoder_kernel_size,
        lone_block="masknet.dual_mdl.0" if masknet_numlayers == 1 else None,
    )


def speechbrain_resepformer(
    *,
    condition_size: int,
    sample_rate: int = 16000,
    channels: int = 1,
    encoder_kernel_size: int = 32,
    encoder_out_nchannels: int = 64,
    segment_size: int = 100,
    layer: int = 2,
    num_layers: int = 1,
    nhead: int = 4,
    d_ffn: int = 256,
    dropout: float = 0.0,
    activation: Literal["relu", "gelu"] = "relu",
    nonlinear: Literal["relu", "sigmoid", "tanh"] = "relu",
    use_positional_encoding: bool = True,
    norm_before: bool = True,
) -> SpeechBrainSeparator:
    """RE-SepFormer (arXiv 2206.09507): transformers within segments, which exchange only their means.

    layer: blocks, each of `num_layers` transformer layers, with a memory of as many between two of them. The
    parameters are those of SpeechBrain's `ResourceEfficientSeparator` and of its transformer block, the
    defaults sizes that two processor cores train. SpeechBrain's own recipe: encoder_kernel_size 16,
    encoder_out_nchannels 128, segment_size 150, num_layers 8, nhead 8, d_ffn 1024.
    """
    resepformer = import_speechbrain("speechbrain.lobes.models.resepformer")

    def build() -> nn.Module:
        if min(layer, segment_size) < 1:
            raise ValueError(f"layer={layer} and segment_size={segment_size} must be at least 1")
        within, memory = (
            resepformer.SBTransformerBlock_wnormandskip(
                num_layers=num_layers,
                d_model=encoder_out_nchannels,
                nhead=nhead,
                d_ffn=d_ffn,
                dropout=dropout,
                activation=activation,
                use_positional_encoding=use_positional_encoding,
                norm_before=norm_before,
            )
            for _ in range(2)
        )
        masknet = resepformer.ResourceEfficientSeparator(
            input_dim=encoder_out_nchannels,
            causal=False,
            num_spk=1,
            nonlinear=nonlinear,
            layer=layer,
            segment_size=segment_size,
            mem_type="av",
            seg_model=within,
            mem_model=memory,
        )
        masknet.model = ByItemPipeline(masknet.model)
        return EncoderMaskerDecoder(masknet, encoder_kernel_size, encoder_out_nchannels)

    return SpeechBrainSeparator(
        "speechbrain_resepformer",
        build,
        condition_size=condition_size,
        sample_rate=sample_rate,
        channels=channels,
        encoder_kernel_size=encoder_kernel_size,
        lone_block="masknet.model.seg_model.0" if layer == 1 else None,
        feature_axis=2,
    )
