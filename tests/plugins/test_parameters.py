"""Parameters are read from a factory's signature, and checked against it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional, Protocol, Union

import pytest

from registry.parameters import REQUIRED, ParameterError, check_parameters, read_parameters

if TYPE_CHECKING:
    from torch import Tensor


class Window(Protocol):
    """A type that cannot be checked."""


def factory(
    size: int,
    *,
    gain: float = 1.0,
    name: str = "net",
    causal: bool = False,
    window: Literal["hann", "hamming"] = "hann",
    stages: tuple[int, ...] = (1, 2),
    pair: tuple[int, float] = (1, 1.0),
    widths: Sequence[int] = (),
    weights: Mapping[str, float] | None = None,
    names: list[str] | None = None,
    rate: Optional[int] = None,  # noqa: UP045
    hop: Union[int, str] = 1,  # noqa: UP007
    nested: tuple[tuple[int, int], ...] = (),
    path: Path | None = None,
    unseen: Tensor | None = None,
    protocol: Window | None = None,
    untyped=None,
) -> None: ...


class Base:
    def __init__(self, size: int, gain: float = 1.0) -> None: ...


class Inherits(Base):
    """Takes what its base takes."""


def open_ended(size: int, *layers: int, **options: Any) -> None: ...


@functools.wraps(factory)
def wrapped(*args: Any, **kwargs: Any) -> None: ...


def given(**parameters: Any) -> dict[str, Any]:
    return check_parameters(factory, {"size": 1, **parameters}, "separator 'net'")


def test_parameters_are_read_in_order_with_types_and_defaults() -> None:
    size, gain = read_parameters(Inherits)
    assert (size.name, size.annotation, size.type_name) == ("size", int, "int")
    assert (size.default, size.required) == (REQUIRED, True)
    assert (gain.name, gain.annotation, gain.default, gain.required) == ("gain", float, 1.0, False)


def test_types_are_shown_as_written() -> None:
    shown = {parameter.name: parameter.type_name for parameter in read_parameters(factory)}
    assert shown["stages"] == "tuple[int, ...]"
    assert shown["unseen"] == "Tensor | None"
    assert shown["untyped"] == "any"


def test_a_wrapped_function_and_a_partial_are_read_through() -> None:
    assert read_parameters(wrapped) == read_parameters(factory)
    (gain,) = read_parameters(functools.partial(Base, 3))
    assert (gain.name, gain.annotation) == ("gain", float)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("size", 3, 3),
        ("gain", 2, 2.0),
        ("gain", 0.5, 0.5),
        ("gain", float("inf"), float("inf")),
        ("name", "x", "x"),
        ("causal", True, True),
        ("window", "hamming", "hamming"),
        ("stages", [3, 4], (3, 4)),
        ("stages", (3, 4), (3, 4)),
        ("pair", [1, 2], (1, 2.0)),
        ("widths", [3, 4], [3, 4]),
        ("widths", (3, 4), (3, 4)),
        ("weights", {"a": 1}, {"a": 1.0}),
        ("weights", None, None),
        ("names", ["a"], ["a"]),
        ("rate", None, None),
        ("rate", 5, 5),
        ("hop", "auto", "auto"),
        ("hop", 4, 4),
        ("nested", [[1, 2], [3, 4]], ((1, 2), (3, 4))),
        ("path", "a/b", Path("a/b")),
        ("unseen", "left to the factory", "left to the factory"),
        ("protocol", "left to the factory", "left to the factory"),
        ("untyped", [1], [1]),
    ],
)
def test_a_value_of_the_right_type_is_taken(name: str, value: Any, expected: Any) -> None:
    taken = given(**{name: value})[name]
    assert taken == expected
    assert type(taken) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", True),
        ("size", 1.0),
        ("size", "1"),
        ("size", None),
        ("gain", True),
        ("gain", "1"),
        ("name", 1),
        ("causal", 1),
        ("causal", "yes"),
        ("window", "hann "),
        ("stages", 3),
        ("stages", "12"),
        ("stages", [1, "a"]),
        ("stages", [1, True]),
        ("pair", [1]),
        ("widths", "12"),
        ("weights", ["a"]),
        ("weights", {"a": "b"}),
        ("names", "a"),
        ("rate", "5"),
        ("hop", 1.5),
        ("path", 3),
    ],
)
def test_a_value_of_a_wrong_type_is_refused(name: str, value: Any) -> None:
    types = {parameter.name: parameter.type_name for parameter in read_parameters(factory)}
    with pytest.raises(ParameterError) as raised:
        given(**{name: value})
    assert str(raised.value) == (
        f"separator 'net': parameter {name!r} must be {types[name]}, "
        f"not {value!r} ({type(value).__name__})"
    )


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ParameterError) as raised:
        check_parameters(Base, {"gian": 2, "gain": "x"}, "separator 'net'")
    assert str(raised.value) == (
        "separator 'net': unknown parameter 'gian'; did you mean gain? (valid: size, gain); "
        "parameter 'gain' must be float, not 'x' (str); parameter 'size' (int) is missing"
    )


def test_an_unknown_parameter_gets_the_valid_names_when_none_is_near() -> None:
    with pytest.raises(ParameterError, match=r"unknown parameter 'zzz'; known: gain, size$"):
        check_parameters(Base, {"zzz": 2, "size": 1}, "separator 'net'")
    with pytest.raises(ParameterError, match="unknown parameter 'a'; it takes none"):
        check_parameters(lambda: None, {"a": 2}, "separator 'net'")


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(ParameterError) as raised:
        given(size=["a long list"] * 1000)
    assert len(str(raised.value)) < 150
    assert "\n" not in str(raised.value)


def test_an_open_ended_factory_takes_any_name() -> None:
    assert check_parameters(open_ended, {"size": 1, "other": [2]}, "x") == {"size": 1, "other": [2]}
