"""The PANNs family prepared for inference: norms folded into the convolutions, which end in their ReLU.

Float32 throughout: what a tagger hears is compared with thresholds, and decides what is separated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from registry.contracts import QueryOutput
from uss_plugins.prepared_layers import (
    Fingerprint,
    Layer,
    convolution,
    fingerprint,
    folded_norm,
    scaled_kernel,
    whole_float32,
)

if TYPE_CHECKING:
    from uss_plugins.query_nets.panns_network import Panns


class PreparedPanns:
    """A tagger for inference, from the weights of `source`, which it follows when they change or move.

    See `uss_plugins.prepared_layers.fingerprint` for what counts as a change.
    """

    def __init__(self, source: Panns) -> None:
        self.source = source
        self._prepared_of: Fingerprint | None = None

    # Not in inference mode, whoever calls: what is kept would not be usable outside of it.
    @torch.inference_mode(False)
    @torch.no_grad()
    def __call__(self, audio: Tensor) -> QueryOutput:
        """What is heard in `audio` (batch, samples), as the source says it in evaluation."""
        current = fingerprint(self.source)
        if current != self._prepared_of:
            self._prepare()
            self._prepared_of = current
        with torch.autocast(audio.device.type, enabled=False), whole_float32(audio.device):
            x = self.source.scaled_log_mel(audio).contiguous(memory_format=torch.channels_last)
            for number, (conv, bias) in enumerate(self._layers, start=1):
                x = conv(x, bias, slope=0.0)
                if number % 2 == 0 and number < len(self._layers):
                    x = F.avg_pool2d(x, 2)
            return self.source.hear(x.mean(dim=3), audio.shape[1])

    def _prepare(self) -> None:
        self._layers: list[tuple[Layer, Tensor]] = []
        for number in range(1, self.source.block_count + 1):
            block: Any = self.source.get_submodule(f"conv_block{number}")
            for conv, norm in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
                scale, shift = folded_norm(norm)
                kernel = scaled_kernel(conv.weight, scale)
                self._layers.append((convolution(kernel, torch.float32), shift.float()[None]))
