"""Builds whatever components are installed, at the sizes that benchmarks use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from registry import ComponentSpec
from uss_plugins.compose import build_component
from uss_plugins.labels.audioset import classes
from uss_plugins.recipe import Component

CLASS_NAMES = tuple(one.name for one in classes())
CLASS_COUNT = len(CLASS_NAMES)
EMBEDDING_SIZE = 2048
"""Of a query's embedding, for strategies; the paper's."""

PROVIDED: dict[str, dict[str, Any]] = {
    "query_net": {"class_names": CLASS_NAMES},
    "embedding": {"class_count": CLASS_COUNT, "embedding_size": EMBEDDING_SIZE},
    "separator": {"condition_size": CLASS_COUNT},
    "corpus": {},
}
"""Kind -> what a factory is given of the parameters that composition fills in, if it takes them."""


@dataclass(frozen=True)
class Build:
    """Builds an installed component in evaluation mode, on the device.

    component_parameters: what the user set, which wins: kind -> name -> parameters.
    """

    device: str
    component_parameters: dict[str, dict[str, dict[str, Any]]]

    def __call__(
        self, spec: ComponentSpec, parameters: dict[str, Any] | None = None, **provided: Any
    ) -> Any:
        """The component, with the parameters that a benchmark and, before it, the user want.

        provided: replaces what `PROVIDED` says.

        Raises:
            UserError: it needs a parameter that neither composition nor the user gives.
        """
        own = self.component_parameters.get(spec.kind, {}).get(spec.name, {})
        section = Component(name=spec.name, **{**(parameters or {}), **own})
        torch.manual_seed(0)
        built = build_component(spec.kind, section, {**PROVIDED[spec.kind], **provided})
        return built.to(self.device).eval() if isinstance(built, nn.Module) else built

    def noise(self, *shape: int) -> Tensor:
        """Audio to measure with, on the device: white noise at -20 dB."""
        generator = torch.Generator().manual_seed(0)
        return (0.1 * torch.randn(*shape, generator=generator)).to(self.device)
