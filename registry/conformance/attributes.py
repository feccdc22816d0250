"""What a component of each kind says of itself: its attributes, and the values they can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from registry.conformance.report import Report


class Expected(NamedTuple):
    description: str
    holds: Callable[[Any], bool]


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_names(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and all(isinstance(name, str) and name for name in value)
        and len(set(value)) == len(value)
    )


def _is_rate_or_none(value: object) -> bool:
    return value is None or (isinstance(value, float) and value > 0) or _is_size(value)


_SIZE = Expected("a positive int", _is_size)
_SIZE_OR_NONE = Expected("a positive int or None", lambda value: value is None or _is_size(value))
_RATE_OR_NONE = Expected("a positive float or None", _is_rate_or_none)
_NAMES = Expected("a tuple of different, non-empty str", _are_names)
_BOOL = Expected("a bool", lambda value: isinstance(value, bool))

ATTRIBUTES: dict[str, dict[str, Expected]] = {
    "query_net": {
        "sample_rate": _SIZE,
        "class_names": _NAMES,
        "embedding_size": _SIZE_OR_NONE,
        "frames_per_second": _RATE_OR_NONE,
    },
    "embedding": {"condition_size": _SIZE, "class_indexed": _BOOL, "needs_classes": _BOOL},
    "separator": {"sample_rate": _SIZE, "channels": _SIZE, "condition_size": _SIZE},
    "corpus": {"sample_rate": _SIZE, "class_names": _NAMES, "class_ids": _NAMES},
}


def check_attributes(kind: str, component: Any, report: Report) -> None:
    """Expect every attribute of the kind's contract, with a value that it can have."""
    for name, expected in ATTRIBUTES[kind].items():
        value = getattr(component, name, "missing")
        report.expect(
            expected.holds(value), f"{name} is {value!r:.60}", f"make it {expected.description}"
        )
