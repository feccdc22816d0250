"""Accounts for every key of a checkpoint: used, dropped for a reason, or an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from registry.errors import UserError
from uss_plugins.weights.reading import Checkpoint

SHOWN = 3
"""How many keys an error names."""


class Accounts:
    """The keys of a checkpoint while they find their places.

    used: keys whose values went into a module.
    dropped: reason -> keys that were left out for it.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.path: Path = checkpoint.path
        self.used: list[str] = []
        self.dropped: dict[str, list[str]] = {}
        self._left = dict(checkpoint.state)

    def left(self, prefix: str = "") -> list[str]:
        """Keys with this prefix that have no place yet."""
        return [key for key in self._left if key.startswith(prefix)]

    def value(self, key: str) -> Tensor:
        """The value of a key that has no place yet."""
        return self._left[key]

    def fill(self, module: nn.Module, prefix: str, released_name: Callable[[str], str]) -> None:
        """Give every parameter and buffer of `module` the value of `prefix + released_name(its name)`.

        Raises:
            UserError: a key is missing, or its value has another shape or type or is not finite.
        """
        problems = []
        with torch.no_grad():
            for name, wanted in module.state_dict().items():
                key = prefix + released_name(name)
                given = self._left.pop(key, None)
                if problem := misfit(given, wanted):
                    problems.append(f"{key} {problem}")
                elif given is not None:
                    wanted.copy_(given)
                    self.used.append(key)
        if problems:
            raise self.refusal(problems)

    def drop(self, keys: Iterable[str], reason: str) -> None:
        """Leave keys out."""
        keys = list(keys)
        for key in keys:
            del self._left[key]
        if keys:
            self.dropped.setdefault(reason, []).extend(keys)

    def settle(self) -> None:
        """Refuse a checkpoint of which something is left over."""
        if self._left:
            raise self.refusal([f"{key} is not known" for key in self._left])

    def refusal(self, problems: list[str]) -> UserError:
        """The error of a checkpoint that does not fit."""
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        return UserError(
            f"{self.path}: {'; '.join(problems[:SHOWN])}{more}; the file is damaged, or of another model:"
            " name that model's components in --recipe"
        )


def misfit(given: Tensor | None, wanted: Tensor) -> str | None:
    """What keeps `given` from taking the place of `wanted`, if anything does."""
    if given is None:
        return "is missing"
    if given.shape != wanted.shape:
        return f"is {tuple(given.shape)}, not {tuple(wanted.shape)}"
    if given.is_floating_point() != wanted.is_floating_point():
        return f"holds {given.dtype}, not {wanted.dtype}"
    if given.is_floating_point() and not bool(given.isfinite().all()):
        return "holds values that are not finite"
    return None
