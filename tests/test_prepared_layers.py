"""Layers for inference: what they keep of their kernels, over changing shapes, and TF32."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from uss_plugins.prepared_layers import FusedConvolution, FusedUpsampling, whole_float32

Fused = FusedConvolution | FusedUpsampling
CUDA = torch.device("cuda:1")


def kernel(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def kept_bytes(layer: Fused) -> int:
    tensors = [one for one in vars(layer).values() if isinstance(one, Tensor)]
    return sum(one.numel() * one.element_size() for one in tensors)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("make", "shape", "in_channels"),
    [
        (FusedConvolution, (24, 5, 3, 3), 5),
        (FusedConvolution, (64, 32, 3, 3), 32),
        (FusedConvolution, (3, 16, 1, 1), 16),
        (lambda one: FusedConvolution(one, groups=len(one)), (20, 1, 1, 1), 20),
        (FusedUpsampling, (5, 3, 2, 2), 5),
        (FusedUpsampling, (48, 32, 1, 2), 48),
    ],
)
def test_a_kernel_is_kept_once_and_laid_out_for_every_shape(
    make: Callable[[Tensor], Fused], shape: tuple[int, ...], in_channels: int, dtype: torch.dtype
) -> None:
    plain = kernel(*shape).to(dtype)
    layer = make(plain.clone())
    for frames, bins in ((7, 9), (64, 128), (1, 1), (64, 9), (7, 9)):
        x = kernel(1, in_channels, frames, bins).to(dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        assert torch.equal(layer(x), make(plain.clone())(x))
        assert kept_bytes(layer) == plain.nbytes


@pytest.mark.parametrize(("channels", "times"), [(8, 2), (384, 4)])
def test_a_small_kernel_is_not_laid_out_for_every_length_of_a_strip(
    channels: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = FusedConvolution(kernel(channels, channels, 3, 3))
    lay_out, seen = torch.ops.mkldnn._reorder_convolution_weight, []

    def counted(*arguments: Any) -> Any:
        seen.append(arguments)
        return lay_out(*arguments)

    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_convolution_weight", counted)
    for frames in (20, 18, 20, 40):
        layer(kernel(1, channels, frames, 4))
    assert len(seen) == times


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="torch before 2.9")
def test_convolutions_on_a_gpu_are_kept_from_tf32_for_as_long_as_they_are_asked_for() -> None:
    conv = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = conv.fp32_precision
    assert before == "tf32"

    def fail_within() -> None:
        with whole_float32(CUDA):
            assert conv.fp32_precision == "ieee"
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_within()
    assert conv.fp32_precision == before
    assert torch.backends.cudnn.allow_tf32
    with whole_float32(torch.device("cpu")):
        assert conv.fp32_precision == before


def test_so_they_are_by_the_setting_of_older_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    older = SimpleNamespace(allow_tf32=True)
    monkeypatch.setattr(torch.backends, "cudnn", older)
    with whole_float32(CUDA):
        assert older.allow_tf32 is False
    assert older.allow_tf32 is True
