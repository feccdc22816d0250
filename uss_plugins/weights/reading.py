"""Reads a checkpoint that somebody else made, without running anything in it."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from registry.errors import UserError

STATE_KEYS = ("state_dict", "model")
"""Where Lightning and PANNs keep the weights in a checkpoint."""
NUMBERS = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
}
"""Types that weights and counts come in; with others not even finiteness can be told."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    state: its weights by name; they may be mapped from the file, so nobody may write to them.
    beside: names of what else is in the file: counters, the optimiser's state.
    """

    path: Path
    state: dict[str, Tensor]
    beside: tuple[str, ...]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the weights of a Lightning checkpoint, of a PANNs file, or of a bare state dict.

    Raises:
        UserError: the file is missing, truncated, no checkpoint, or a pickle that asks for more than plain
            weights; nothing that it names is imported or called.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a checkpoint (.ckpt or .pth)")
    content = _load(path)
    if not isinstance(content, Mapping):
        raise UserError(
            f"{path}: not a checkpoint, it holds a {type(content).__name__}; give one that keeps its"
            " weights by name"
        )
    name = next((key for key in STATE_KEYS if isinstance(content.get(key), Mapping)), None)
    state = content if name is None else content[name]
    beside = () if name is None else tuple(str(key) for key in content if key != name)
    _check_weights(path, state)
    return Checkpoint(path, dict(state), beside)


def _load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the age of the pickle; errors tell enough
            # Mapped, weights cost memory only while they are read; files older than torch 1.6 cannot be.
            mappable = zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mappable)
    except UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        if wanted is None:
            raise _unreadable(path, "its pickle is broken") from None
        raise UserError(
            f"{path}: refused, its pickle asks for {wanted[1]}, which is not plain weights and may run code;"
            " nothing of it was run. If you trust who made it, save its state dict alone and import that"
        ) from None
    except PermissionError:
        raise UserError(f"{path}: must not be read; check whose file it is") from None
    except Exception as error:  # a broken pickle can make its reader raise anything
        lines = str(error).splitlines() or [type(error).__name__]
        raise _unreadable(path, lines[0].split(". ")[0]) from None


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path}: truncated, or not a checkpoint ({reason}); download or copy it again"
    )


def _check_weights(path: Path, state: Mapping[Any, Any]) -> None:
    """Refuse what is no mapping of names to dense tensors."""
    wrong = [
        str(key)
        for key, value in state.items()
        if not (isinstance(key, str) and isinstance(value, Tensor) and _is_dense(value))
    ]
    if wrong or not state:
        reason = f"{wrong[0]!r} is no dense tensor" if wrong else "it holds no weights"
        raise UserError(f"{path}: not a checkpoint, {reason}; give one that keeps weights by name")


def _is_dense(value: Tensor) -> bool:
    # A tensor on the device "meta" has a shape and no values.
    return value.layout is torch.strided and value.dtype in NUMBERS and value.device.type == "cpu"
