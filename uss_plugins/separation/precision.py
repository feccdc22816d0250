"""The numbers that separators compute in, when nothing is trained."""

from __future__ import annotations

import platform
from typing import Literal

import torch

PrecisionChoice = Literal["auto", "fp32", "bf16"]


def choose_precision(choice: PrecisionChoice, device: str | torch.device = "cpu") -> torch.dtype:
    """What a choice means on a device: "auto" is bfloat16 where that is native, else float32."""
    if choice == "auto":
        return torch.bfloat16 if has_native_bf16(torch.device(device)) else torch.float32
    return torch.bfloat16 if choice == "bf16" else torch.float32


def has_native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself: AVX-512 BF16, AMX or ARM's BF16, and recent GPUs."""
    if device.type == "cuda":
        with torch.cuda.device(device):  # what is asked for is the current one
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if platform.machine() in ("aarch64", "arm64"):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    # oneDNN emulates bfloat16 on AVX-512 without it, which is slower than float32.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
