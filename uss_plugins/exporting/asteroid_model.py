"""A model with its queries fixed, as a model of Asteroid: what `uss-plugins export asteroid` writes.

Importing this module makes the class known to Asteroid in Asteroid's way (`asteroid.models.register_model`);
from then on its own functions load and use an exported file:

    import uss_plugins.exporting.asteroid_model
    from asteroid.models import BaseModel

    model = BaseModel.from_pretrained("out.pth")
    model.separate("mixture.wav", resample=True)  # writes mixture_est1.wav

An exported file holds plain values and tensors, so PyTorch reads it as weights only; the separator is built
from its plug-in, which must be installed. Asteroid's `separate` scales what it writes to the mixture's level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from uss_plugins.compose import build_component
from uss_plugins.ecosystems import import_asteroid
from uss_plugins.recipe import Component

if TYPE_CHECKING:
    from torch.nn import Module as BaseModel
else:
    BaseModel = import_asteroid("asteroid.models").BaseModel


class FixedQuerySeparator(BaseModel):
    """A separator that extracts always the same sources, each with its own fixed condition.

    Args:
        separator: the plug-in's name, and its parameters, as in a recipe.
        sources: names of what is extracted, in order.
        condition_size: length of each condition.
        sample_rate: Hz, of the audio it takes and gives.
    """

    conditions: Tensor

    def __init__(
        self,
        separator: Mapping[str, Any],
        sources: Sequence[str],
        condition_size: int,
        sample_rate: int,
    ) -> None:
        super().__init__(sample_rate=sample_rate, in_channels=1)
        known = {"sample_rate": sample_rate, "condition_size": condition_size}
        self.separator: Any = build_component("separator", Component(**separator), known)
        self.register_buffer("conditions", torch.zeros(len(sources), condition_size))
        self.model_args = {
            "separator": dict(separator),
            "sources": list(sources),
            "condition_size": condition_size,
            "sample_rate": sample_rate,
        }
        self.eval()

    def forward(self, wav: Tensor) -> Tensor:
        """Mixtures (time,), (batch, time) or (batch, 1, time) to (batch, sources, time).

        One mixture without a batch gives (sources, time). A separator of several channels hears the mixture
        in all of them, and the mean of its estimates counts, as in training.
        """
        mixture = wav.reshape(-1, 1, wav.shape[-1]).expand(-1, self.separator.channels, -1)
        estimates = [
            self.separator(mixture, condition.expand(len(mixture), -1)).mean(1)
            for condition in self.conditions
        ]
        stacked = torch.stack(estimates, dim=1)
        return stacked[0] if wav.ndim == 1 else stacked

    def get_model_args(self) -> dict[str, Any]:
        """What builds the model anew, in plain values."""
        return self.model_args


if not TYPE_CHECKING and not hasattr(import_asteroid("asteroid.models"), "FixedQuerySeparator"):
    import_asteroid("asteroid.models").register_model(FixedQuerySeparator)
