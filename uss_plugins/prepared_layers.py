"""Convolutions for inference: kernel laid out once; bias, residual sum and (leaky) ReLU fused into one pass.

On a processor with oneDNN they are its primitives with post-operations, by the operators that
`torch.compile` itself lowers to; anywhere else they are torch's functions. Activations are
(batch, channels, frames, bins) in the channels-last layout, in float32 or bfloat16; biases stay float32 and
are (batch, channels), since a condition is a bias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from uss_plugins.mapped_memory import let_go

Fingerprint = tuple[tuple[int, int], ...]

PART_CHANNELS = 256

SMALL_KERNEL_BYTES = 1 << 18
"""Up to here one layout is as fast as another over a factor of two in frames; beyond, 100 times slower."""


class Layer(Protocol):
    """A convolution of any sort."""

    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        *,
        slope: float | None = None,
        into: Tensor | None = None,
    ) -> Tensor:
        """Convolve `x`, add `bias`, then `into`, then apply a ReLU of that `slope` below 0.

        `into` is overwritten with the result, which is returned.
        """
        ...


def has_fused_layers(device: torch.device) -> bool:
    """Whether oneDNN's fused convolutions are there."""
    operators = torch.ops.mkldnn
    return bool(
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(operators, "_convolution_pointwise")
        and hasattr(operators, "_reorder_convolution_weight")
    )


def folded_norm(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """A batch norm in evaluation as factor and shift, (K,) each, float64."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.double() - norm.running_mean.double() * scale


def scaled_kernel(kernel: Tensor, scale: Tensor) -> Tensor:
    """A kernel (out, in, size, size) times a factor (out,) float64, rounded once to float32.

    A part at a time: the largest of a Cnn14 takes 300 MB in float64. What was read of a file is let go of.
    """
    scaled = torch.empty(kernel.shape, dtype=torch.float32, device=kernel.device)
    for begin in range(0, len(kernel), PART_CHANNELS):
        part = slice(begin, begin + PART_CHANNELS)
        scaled[part] = kernel[part] * scale[part, None, None, None]
        let_go([kernel[part]])
    return scaled


def fingerprint(module: nn.Module) -> Fingerprint:
    """Changes whenever a parameter or buffer of a module is changed, replaced or moved.

    Changes in place through `.data` are not seen: torch does not count them, and to compare the values would
    take as long as some layers do. Under `torch.no_grad()` the tensor itself can be changed instead.
    """
    tensors = (*module.parameters(), *module.buffers())
    return tuple((one.data_ptr(), 0 if one.is_inference() else one._version) for one in tensors)


@contextmanager
def whole_float32(device: torch.device) -> Iterator[None]:
    """Keep cuDNN's convolutions of float32 from TF32, the default, whose error is about 1e-3."""
    if device.type != "cuda":
        yield
        return
    setting: tuple[Any, str, Any] = (torch.backends.cudnn, "allow_tf32", False)
    if hasattr(torch.backends.cudnn, "conv"):  # torch 2.9 and later, where that may be unreadable
        setting = (torch.backends.cudnn.conv, "fp32_precision", "ieee")
    owner, name, exact = setting
    before = getattr(owner, name)
    setattr(owner, name, exact)
    try:
        yield
    finally:
        setattr(owner, name, before)


def convolution(kernel: Tensor, dtype: torch.dtype) -> Layer:
    """A convolution that keeps frames and bins; `kernel`: (out, in, size, size), size odd."""
    kernel = kernel.to(dtype)
    if has_fused_layers(kernel.device):
        return FusedConvolution(kernel)
    padding = [size // 2 for size in kernel.shape[2:]]
    convolve = partial(F.conv2d, weight=channels_last(kernel), padding=padding)
    return PlainLayer(partial(_convolved, convolve))


def scaling(scale: Tensor, dtype: torch.dtype) -> Layer:
    """A factor for each channel; `scale`: (channels,)."""
    if has_fused_layers(scale.device):
        return FusedConvolution(scale[:, None, None, None].to(dtype), groups=len(scale))
    return PlainLayer(partial(_scaled, scale[:, None, None].to(dtype)))


def upsampling(kernel: Tensor, dtype: torch.dtype) -> Layer:
    """A transposed convolution whose stride is its kernel's size: (in_channels, out_channels, *size)."""
    kernel = kernel.to(dtype)
    if has_fused_layers(kernel.device):
        return FusedUpsampling(kernel)
    stride = list(kernel.shape[2:])
    convolve = partial(F.conv_transpose2d, weight=channels_last(kernel), stride=stride)
    return PlainLayer(partial(_convolved, convolve))


def channels_last(kernel: Tensor) -> Tensor:
    """A kernel in the layout of the activations, also where its sizes leave open which one it has."""
    return kernel.to(memory_format=torch.channels_last)


def layout_of(x: Tensor, kernel: Tensor) -> tuple[int, ...]:
    """What of the shape (B, K, T, F) of `x` decides how a kernel is laid out for it: equal where layouts are.

    A small kernel meets strips that differ by a few frames in turns, and wants the same layout for all of
    them. Any layout gives the same result: one that an operator does not want it converts at each call.
    """
    if kernel.numel() * kernel.element_size() > SMALL_KERNEL_BYTES:
        return x.shape
    return x.shape[3], x.shape[2].bit_length()


class FusedConvolution:
    """oneDNN's. Its bias is per channel, not per item: items that differ in it come one at a time.

    The kernel's layout depends on the shape of what it meets, so it is laid out again when that changes in
    what `layout_of` names. No other copy is kept: kernels are most of what a prepared net takes.
    """

    def __init__(self, kernel: Tensor, groups: int = 1) -> None:
        self.groups = groups
        self.padding = [size // 2 for size in kernel.shape[2:]]
        self._kernel = kernel.contiguous()
        self._layout: tuple[int, ...] | None = None

    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        *,
        slope: float | None = None,
        into: Tensor | None = None,
    ) -> Tensor:
        if layout_of(x, self._kernel) != self._layout:
            # So the old layout is let go of before the new one is made.
            self._kernel = self._kernel.to_dense()
            self._kernel = torch.ops.mkldnn._reorder_convolution_weight(
                self._kernel, self.padding, [1, 1], [1, 1], self.groups, list(x.shape)
            )
            self._layout = layout_of(x, self._kernel)
        place = (self.padding, [1, 1], [1, 1], self.groups)
        own = None if bias is None else bias[0]
        if into is None:
            return cast(
                Tensor,
                torch.ops.mkldnn._convolution_pointwise(
                    x, self._kernel, own, *place, *_unary(slope)
                ),
            )
        if own is not None:
            own = own.to(x.dtype)  # this operator insists
        torch.ops.mkldnn._convolution_pointwise_.binary(
            into, x, self._kernel, own, *place, "add", 1.0, None, [], ""
        )
        # The operator has no leaky ReLU after a sum.
        return into if slope is None else F.leaky_relu_(into, slope)


class FusedUpsampling:
    """oneDNN's transposed convolution; its kernel is kept as that of a `FusedConvolution` is."""

    def __init__(self, kernel: Tensor) -> None:
        self.stride = list(kernel.shape[2:])
        self._kernel = kernel.transpose(0, 1)  # as laid out: (out_channels, in_channels, *size)
        self._layout: tuple[int, ...] | None = None

    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        *,
        slope: float | None = None,
        into: Tensor | None = None,
    ) -> Tensor:
        place = ([0, 0], [0, 0], self.stride, [1, 1], 1)
        if layout_of(x, self._kernel) != self._layout:
            self._kernel = self._kernel.to_dense()
            plain = self._kernel.transpose(0, 1).contiguous()
            self._kernel = torch.ops.mkldnn._reorder_convolution_transpose_weight(
                plain, *place, list(x.shape)
            )
            self._layout = layout_of(x, self._kernel)
        own = None if bias is None else bias[0]
        y = torch.ops.mkldnn._convolution_transpose_pointwise(
            x, self._kernel, own, *place, *_unary(slope)
        )
        return cast(Tensor, y) if into is None else into.add_(y)


def _unary(slope: float | None) -> tuple[str, list[float], str]:
    return ("none", [], "") if slope is None else ("leaky_relu", [slope], "")


class PlainLayer:
    """torch's, for batches on any device.

    operation: convolves, with its kernel bound, and adds a bias (batch, channels, 1, 1) if there is one.
    """

    def __init__(self, operation: Callable[[Tensor, Tensor | None], Tensor]) -> None:
        self.operation = operation

    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        *,
        slope: float | None = None,
        into: Tensor | None = None,
    ) -> Tensor:
        y = self.operation(x, None if bias is None else bias[:, :, None, None].to(x.dtype))
        if into is not None:
            y = into.add_(y)
        return y if slope is None else F.leaky_relu_(y, slope)


def _convolved(convolve: Callable[[Tensor], Tensor], x: Tensor, bias: Tensor | None) -> Tensor:
    y = convolve(x)
    return y if bias is None else y.add_(bias)


def _scaled(scale: Tensor, x: Tensor, bias: Tensor | None) -> Tensor:
    """In one pass, since each reads and writes all of an activation."""
    return x * scale if bias is None else torch.addcmul(bias, x, scale)
