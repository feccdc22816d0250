"""The ResUNet prepared for inference: the same weights and contract, several times as fast on a processor.

Made from a module by `ResUNet.prepare` and never trained. What changes, and why the result does not:

- A batch norm is a factor and a shift for each channel in evaluation. The second one of a block follows a
  convolution, whose kernel takes the factor. The first one follows a sum and stays a factor. Shifts join the
  FiLM biases, which depend on nothing but the condition and are computed once for each.
- With that every activation is the end of a convolution: bias, leaky ReLU and residual sum happen while its
  result is still in the registers. See `uss_plugins.prepared_layers`.
- The decoder joins the upsampled and the skip without ever putting them side by side: the convolution and
  the shortcut that read both are split into one for each half, summed. The upsampled half is only read by
  linear maps, so these are multiplied into the transposed convolution: it gives the activated half and the
  shortcut's half at once, and the upsampled signal itself is never made.
- Large activations exist a strip of frames at a time, which stays in the processor's caches; what outlives
  its stage is kept in memory that the next call uses again.
- Everything is channels-last, and a mixture that equals the one before it is not transformed again.

On a GPU a batch goes through as a whole, by torch's own layers, as a CUDA graph of its shape. Equal mixtures
are transformed each by itself there: to find them, the host would have to wait for the card.

Letters of shapes as in `uss_plugins.separators.resunet`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from uss_plugins.captured_calls import CapturedCalls
from uss_plugins.mapped_memory import let_go
from uss_plugins.prepared_layers import (
    Fingerprint,
    convolution,
    fingerprint,
    folded_norm,
    has_fused_layers,
    whole_float32,
)
from uss_plugins.separators.prepared_blocks import (
    Block,
    Films,
    Joint,
    Span,
    blocks_of,
    float_row,
    frames_of,
)

if TYPE_CHECKING:
    from uss_plugins.separators.resunet import DecoderStage, ResUNet

Net = Callable[[Tensor, Tensor], Tensor]

KEPT_CONDITIONS = 256
"""Conditions whose FiLM biases are kept; an item of resunet30 takes 36 kB."""

STRIP_BYTES = 8 << 20
"""Size of an activation that is computed at once: a few of them fit the caches of a processor.

Smaller strips compute more of their neighbours' frames again (4 MiB: 3 % slower); larger ones are returned to
the system at each call, where its allocator is left as it is.
"""

STRIP_MULTIPLE = 8


class PreparedResUNet:
    """A ResUNet for inference.

    It follows its module: when the module's weights are changed or moved, it prepares itself anew before the
    next estimate. See `uss_plugins.prepared_layers.fingerprint` for what counts as a change.

    Args:
        source: the module; its batch norms count as in evaluation, whatever its mode.
        precision: torch.float32, bfloat16 or float16, of the net between the transforms.
    """

    def __init__(self, source: ResUNet, precision: torch.dtype = torch.float32) -> None:
        self.source, self.precision = source, precision
        self.sample_rate = source.sample_rate
        self.channels = source.channels
        self.condition_size = source.condition_size
        self._prepared_of: Fingerprint | None = None
        self._last: tuple[Tensor, Tensor, Tensor] | None = None

    @property
    def takes_one_at_a_time(self) -> bool:
        """Whether a batch is separated item by item, in the memory of one."""
        return has_fused_layers(self.source.output_conv.weight.device)

    # Not in inference mode, whoever calls: what is kept would not be usable outside of it.
    @torch.inference_mode(False)
    @torch.no_grad()
    def __call__(self, mixture: Tensor, condition: Tensor) -> Tensor:
        """Extract from `mixture` (B, C, L) what `condition` (B, Q) describes: (B, C, L), float32."""
        self._follow()
        with torch.autocast(mixture.device.type, enabled=False), whole_float32(mixture.device):
            biases = self._biases(condition.float())
            if not self.takes_one_at_a_time:
                return self._estimate(self._whole_net, self._transformed(mixture), biases, mixture)
            return torch.cat(
                [
                    self._estimate(self._net, self._known(one), own, one)
                    for one, own in zip(
                        torch.split(mixture, 1), torch.split(biases, 1), strict=True
                    )
                ]
            )

    def _estimate(
        self, net: Net, transformed: tuple[Tensor, Tensor], biases: Tensor, mixture: Tensor
    ) -> Tensor:
        """What a net that takes biases (B, sum of K) makes of `mixture` (B, C, L), as `_transformed`."""
        from uss_plugins.separators.resunet import apply_maps

        spectrum, seen = transformed
        maps = net(seen, biases)[..., : spectrum.shape[2], :]
        return self.source.stft.inverse(apply_maps(spectrum, maps), mixture.shape[-1])

    def _follow(self) -> None:
        """Prepare, unless the module is still what it was when that was done last."""
        current = fingerprint(self.source)
        if current != self._prepared_of:
            self._prepare()
            self._prepared_of = current

    def _prepare(self) -> None:
        source, dtype = self.source, self.precision
        self._cached: OrderedDict[bytes, Tensor] = OrderedDict()
        self._buffers: dict[object, Tensor] = {}
        self._last = None
        scale, shift = folded_norm(source.input_norm)
        self._input_scale, self._input_shift = scale.float(), shift.float()
        self._input = convolution(source.input_conv.weight, dtype)
        self._input_bias = float_row(source.input_conv.bias)
        films = Films()
        self._encoder = [
            [Block(one, dtype, films) for one in blocks_of(stage)] for stage in source.encoder
        ]
        self._bottleneck = [Block(one, dtype, films) for one in blocks_of(source.bottleneck)]
        self._decoder = [
            (
                Joint(stage, dtype, films),
                [Block(one, dtype, films) for one in blocks_of(stage.stage)[1:]],
            )
            for stage in cast("Iterable[DecoderStage]", source.decoder)
        ]
        self._film_weight, self._film_bias = films.stacked()
        self._output = convolution(source.output_conv.weight, dtype)
        self._output_bias = float_row(source.output_conv.bias)
        on_gpu = source.output_conv.weight.is_cuda
        let_go(source.parameters())
        self._whole_net: Net = CapturedCalls(self._net) if on_gpu else self._net

    def _transformed(self, mixture: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrum of (B, C, L), and what the net takes."""
        spectrum = self.source.stft(mixture)
        return spectrum, self._seen(spectrum.abs())

    def _known(self, mixture: Tensor) -> tuple[Tensor, Tensor]:
        """What `_transformed` gives, once for a mixture that several conditions in a row are for."""
        if self._last is None or not torch.equal(self._last[0], mixture):
            self._last = mixture.clone(), *self._transformed(mixture)
        return self._last[1:]

    def _biases(self, condition: Tensor) -> Tensor:
        """FiLM biases and shifts of all places, (B, sum of K), for (B, Q); kept by the condition's value."""
        if condition.device.type != "cpu":
            return F.linear(condition, self._film_weight, self._film_bias)
        rows = []
        for row in condition:
            key = row.numpy().tobytes()
            if key not in self._cached:
                self._cached[key] = F.linear(row, self._film_weight, self._film_bias)
            self._cached.move_to_end(key)
            rows.append(self._cached[key])
        while len(self._cached) > KEPT_CONDITIONS:
            self._cached.popitem(last=False)
        return torch.stack(rows)

    def _seen(self, magnitude: Tensor) -> Tensor:
        """(B, C, T, F + 1) magnitude to what the net takes: normed, padded, (B, C, T', F) channels-last."""
        frames = magnitude.shape[2]
        power = self.source.input_power
        seen = magnitude.clamp_(min=1e-5)
        if power != 1:
            seen = seen.pow_(power)
        seen = torch.addcmul(self._input_shift, seen, self._input_scale)
        seen = F.pad(seen, (0, -1, 0, -frames % self.source.frames_multiple))
        return seen.to(self.precision).contiguous(memory_format=torch.channels_last)

    def _net(self, seen: Tensor, biases: Tensor) -> Tensor:
        """(B, C, T', F) and its biases to the three maps of `apply_maps`: (B, C, 3, T', F + 1)."""
        (first, *others), *stages = self._encoder
        x = self._in_strips(first, seen, partial(self._entered, first, seen, biases))
        skips = []
        for blocks, scale in zip((others, *stages), self.source.scales, strict=True):
            x = self._through(blocks, x, biases)
            skips.append(x)
            x = F.avg_pool2d(x, scale)
        x = self._through(self._bottleneck, x, biases)
        for joint, blocks in self._decoder:
            skip = skips.pop()
            x = self._in_strips(joint, skip, partial(joint.rows, x, skip, biases), over=skip)
            x = self._through(blocks, x, biases)
        maps = F.pad(self._output(x, self._output_bias), (0, 1))
        return maps.reshape(-1, self.channels, 3, *maps.shape[2:])

    def _through(self, blocks: Iterable[Block], x: Tensor, biases: Tensor) -> Tensor:
        """One block after the other."""
        for block in blocks:
            x = self._in_strips(block, x, partial(block.rows, x, biases))
        return x

    def _entered(self, block: Block, seen: Tensor, biases: Tensor, span: Span) -> Tensor:
        """A span of the first block's frames, from what the net takes."""
        wide = span.wider(2)
        x = self._input(frames_of(seen, wide), self._input_bias)
        # Of one channel the layout is ambiguous, and torch's own layers then take the other one.
        x = x.contiguous(memory_format=torch.channels_last)
        return block.rows(x, biases, span.within(wide))

    def _in_strips(
        self,
        block: Block | Joint,
        like: Tensor,
        rows: Callable[[Span], Tensor],
        over: Tensor | None = None,
    ) -> Tensor:
        """All of a block's frames, a strip at a time that stays in the processor's cache: (B, K, T, F).

        like: (B, any, T, F).
        over: what may be overwritten with the result, though strips are made of it and of two frames beyond.
        """
        frames, bins = like.shape[2:]
        frame_bytes = block.out_channels * bins * self.precision.itemsize
        strip = max(STRIP_MULTIPLE, STRIP_BYTES // frame_bytes // STRIP_MULTIPLE * STRIP_MULTIPLE)
        if not self.takes_one_at_a_time or strip >= frames:
            return rows(Span(0, frames, frames))
        whole = self._kept(block, block.out_channels, frames, bins) if over is None else over
        last: tuple[Span, Tensor] | None = None
        for begin in range(0, frames, strip):
            span = Span(begin, min(begin + strip, frames), frames)
            made = rows(span)
            if last is not None:
                frames_of(whole, last[0]).copy_(last[1])
            last = span, made
        assert last is not None
        frames_of(whole, last[0]).copy_(last[1])
        return whole

    def _kept(self, owner: object, *shape: int) -> Tensor:
        """Memory for what strips make up, the same at each call: fresh pages would cost as much again."""
        kept = self._buffers.get(owner)
        if kept is None or kept.shape[1:] != shape:
            kept = torch.empty(1, *shape, dtype=self.precision, memory_format=torch.channels_last)
            self._buffers[owner] = kept
        return kept
