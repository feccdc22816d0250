"""A separator on disk without a query net, such as AudioSep's, which was steered by text.

separator.yaml       the component: its name and parameters
weights.safetensors  all its parameters and buffers
imported.json        where it comes from

It separates nothing by itself, since nothing makes its conditions. It is where a training can start:
a recipe names it as `separator.weights`, beside a query net and a strategy of its condition size.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import yaml
from pydantic import ValidationError
from torch import nn

from registry.contracts import Separator
from registry.errors import UserError
from uss_plugins.compose import build_component
from uss_plugins.files import write_text
from uss_plugins.recipe import Component
from uss_plugins.separation.folder import SEPARATOR, WEIGHTS, load_weights, save_weights


def save_separator(separator: nn.Module, component: Component, folder: Path) -> None:
    """Write a separator's folder, the weights last."""
    write_text(
        folder / SEPARATOR, yaml.safe_dump(component.model_dump(mode="json"), sort_keys=False)
    )
    save_weights(separator, folder / WEIGHTS)


def load_separator(folder: str | Path, device: str = "cpu") -> Separator:
    """The separator of a folder, in evaluation mode.

    Raises:
        UserError: no separator's folder, a part of it is broken, or the component is not installed.
    """
    path = Path(folder) / SEPARATOR
    try:
        component = Component.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(
            f"{folder}: not a separator's folder ({SEPARATOR} is missing); give one that 'import' made"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError):
        raise UserError(f"{path}: cannot be read; import the separator again") from None
    separator = cast(nn.Module, build_component("separator", component, {}))
    load_weights(separator, path.with_name(WEIGHTS))
    return cast(Separator, separator.eval().to(device))
