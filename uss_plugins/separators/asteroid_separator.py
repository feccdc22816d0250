"""Asteroid's separators as plug-ins: one wrapper that gives each a condition, any length and any channels.

Asteroid's networks take a mixture and estimate a fixed number of sources. Here they estimate one, the one
that a condition describes: FiLM modulates what enters the masker and what enters each of its repeated
blocks (`uss_plugins.separators.modulation`). `asteroid_models.py` names the networks and their sizes.

Shapes: B batch, C audio channels, L samples, Q condition size.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry.errors import UserError
from registry.plugins import one_line
from uss_plugins.ecosystems import import_asteroid
from uss_plugins.separators.filterbank import frame_padding
from uss_plugins.separators.modulation import Modulation, Place, place_names, probe_places

PROBE_HOPS = 4, 37
"""Frames beyond the first in the two probes at construction; so far apart that no stride hides it."""


REFUSALS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""What Asteroid and PyTorch raise of sizes that do not fit each other."""


class AsteroidSeparator(nn.Module):
    """A separator of Asteroid that follows a condition.

    Audio channels are separated one by one, as items of the batch. A recording is padded to whole frames,
    and for a windowed filterbank on both sides, so that every sample is in as many frames as any other;
    the estimate is cut to the mixture's length.

    Args:
        name: of a class of `asteroid.models` that encodes, masks and decodes, such as "ConvTasNet".
        condition_size: length of the condition vector.
        sample_rate: Hz, of the audio it is trained on.
        channels: audio channels in and out.
        hyper_parameters: of the class, by Asteroid's own names.

    Raises:
        UserError: Asteroid refuses the hyper-parameters, or a network of them does not run.
    """

    def __init__(
        self,
        name: str,
        *,
        condition_size: int,
        sample_rate: int,
        channels: int,
        hyper_parameters: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.channels = channels
        self.condition_size = condition_size
        try:
            self.network = build_network(name, sample_rate, hyper_parameters)
            self.frame_samples, self.hop_samples, self.edge_samples = frame_sizes(self.network)
            places = self._places()
        except REFUSALS as error:
            given = ", ".join(f"{key}={value!r}" for key, value in hyper_parameters.items())
            raise UserError(
                f"asteroid {name}: {one_line(error)}; no such network can be built of {given}"
            ) from error
        self.is_complex = any(place.is_complex for place in places)
        self.modulation = Modulation(self.network, places, condition_size)
        self._freeze_unreached()

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        """Extract from `mixture` (B, C, L) what `condition` (B, Q) describes: (B, C, L), float32."""
        channels, samples = mixture.shape[1:]
        sizes = self.frame_samples, self.hop_samples, self.edge_samples
        padded = F.pad(mixture.reshape(-1, 1, samples), frame_padding(samples, *sizes))
        kind = mixture.device.type
        # PyTorch has no complex numbers of half precision.
        enabled = torch.is_autocast_enabled(kind) and not self.is_complex
        with (
            torch.autocast(kind, enabled=enabled),
            self.modulation.following(condition.repeat_interleave(channels, dim=0)),
        ):
            estimate: Tensor = self.network(padded)  # (B * C, 1, L + padding)
        kept = estimate[..., self.edge_samples : self.edge_samples + samples]
        return kept.reshape(mixture.shape).float()

    def _places(self) -> list[Place]:
        few, many = (self.frame_samples + hops * self.hop_samples for hops in PROBE_HOPS)
        names = place_names(self.network, masker="masker")
        return probe_places(self.network, names, self.network, probe_samples=(few, many))

    def _freeze_unreached(self) -> None:
        """Freeze what no output depends on, such as the residual that Conv-TasNet's last block gives nobody.

        It would be an optimiser's burden, and devices that train together would wait for its gradient.
        """
        trained = [each for each in self.parameters() if each.requires_grad]
        condition = torch.zeros(1, self.condition_size)
        self.eval()
        with torch.enable_grad():
            estimate = self(torch.ones(1, self.channels, self.frame_samples), condition)
            gradients = torch.autograd.grad(estimate.sum(), trained, allow_unused=True)
        self.train()
        for parameter, gradient in zip(trained, gradients, strict=True):
            parameter.requires_grad_(gradient is not None)


def build_network(name: str, sample_rate: int, hyper_parameters: Mapping[str, Any]) -> nn.Module:
    """One of Asteroid's networks, for one source. Raises what Asteroid raises, or a UserError."""
    may_be_zero = ("skip_chan", "dropout")
    if small := [
        f"{key}={value}"
        for key, value in hyper_parameters.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        if value < (0 if key in may_be_zero else 1)
    ]:
        raise UserError(f"asteroid {name}: {', '.join(small)}; sizes must be positive")
    given = dict(hyper_parameters)
    if given.get("fb_name") == "param_sinc":
        # Asteroid makes even kernels odd, too, with a line on the standard output for each.
        given["kernel_size"] |= 1
    network_class = getattr(import_asteroid("asteroid.models"), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how Asteroid makes hyper-parameters fit each other
        network: nn.Module = network_class(n_src=1, sample_rate=sample_rate, **given)
    return network


def frame_sizes(network: nn.Module) -> tuple[int, int, int]:
    """Samples of a frame of a network's encoder, between frames, and that edges lack of full overlap.

    A windowed filterbank fades in and out at the edges; one that is free learns what to do there.
    """
    encoder: Any = network.encoder
    filterbank = encoder.filterbank
    if hasattr(encoder, "encoder"):
        del (
            encoder.filterbank
        )  # SuDoRM-RF's has it twice, and weights are stored under one name each
    windowed = "stft" in type(filterbank).__name__.lower()
    edge_samples = max(filterbank.kernel_size - filterbank.stride, 0) if windowed else 0
    return filterbank.kernel_size, filterbank.stride, edge_samples
