"""A component's parameters: read from its factory's signature, and checked against it."""

from __future__ import annotations

import inspect
import sys
import textwrap
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from registry.errors import UserError, nearest

REQUIRED = inspect.Parameter.empty
"""The default of a parameter that has none."""


class ParameterError(UserError):
    """A parameter that a component's factory does not take, or not with that value."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a factory.

    annotation: its type; `Any` where the factory names none or one that cannot be resolved.
    type_name: its type as the factory's author wrote it, for people to read.
    default: `REQUIRED` if it has none.
    """

    name: str
    annotation: Any
    type_name: str
    default: Any

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is REQUIRED


def read_parameters(factory: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters that `factory` takes by name, in its order.

    Raises:
        ParameterError: the factory, not being written in Python, does not tell its parameters.
    """
    return tuple(
        Parameter(
            parameter.name,
            _resolved(parameter.annotation, factory),
            _written(parameter.annotation),
            parameter.default,
        )
        for parameter in _signature(factory).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    )


def check_parameters(
    factory: Callable[..., Any], given: Mapping[str, Any], component: str
) -> dict[str, Any]:
    """The given parameters, checked and converted to the types in the factory's signature.

    An int is taken for a float and a list, which is all that YAML has, for a tuple; otherwise the
    types must be as annotated: in particular no bool for an int and no string for a number. A type
    that cannot be checked is left to the factory.

    component: how to call the component in messages, such as "separator 'resunet30'".

    Raises:
        ParameterError: naming all that is wrong, in one line.
    """
    known = {parameter.name: parameter for parameter in read_parameters(factory)}
    open_ended = any(
        parameter.kind is parameter.VAR_KEYWORD
        for parameter in _signature(factory).parameters.values()
    )
    checked: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in given.items():
        if name in known:
            try:
                checked[name] = _converted(value, known[name])
            except ParameterError as error:
                problems.append(str(error))
        elif open_ended:
            checked[name] = value
        else:
            problems.append(_unknown(name, known))
    problems.extend(
        f"parameter {name!r} ({parameter.type_name}) is missing"
        for name, parameter in known.items()
        if parameter.required and name not in given
    )
    if problems:
        raise ParameterError(f"{component}: " + "; ".join(problems))
    return checked


def _signature(factory: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(factory)
    except (ValueError, TypeError) as error:
        raise ParameterError(
            f"{factory!r} does not tell its parameters; register a Python function or class"
        ) from error


def _unknown(name: str, known: Mapping[str, Parameter]) -> str:
    if not known:
        return f"unknown parameter {name!r}; it takes none"
    hint = nearest(name, known)
    valid = "" if hint.startswith("known: ") else f" (valid: {', '.join(known)})"
    return f"unknown parameter {name!r}; {hint}{valid}"


def _converted(value: Any, parameter: Parameter) -> Any:
    """`value` as the type of `parameter`, or an error that says what was expected and given."""
    # pydantic takes a tenth of a second to import; only those who build something should pay it.
    from pydantic import ConfigDict, TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError
    from pydantic_core import PydanticSerializationError, SchemaError, to_json

    try:
        adapter = TypeAdapter[Any](
            parameter.annotation, config=ConfigDict(strict=True, arbitrary_types_allowed=True)
        )
    except (PydanticUserError, SchemaError, TypeError):
        return value  # not a type that pydantic can check, or one that carries its own config
    try:
        return adapter.validate_python(value)
    except ValidationError:
        pass
    try:
        # JSON has one kind of list, so a strict check of the value's JSON takes a list for a tuple.
        return adapter.validate_json(to_json(value, inf_nan_mode="constants"))
    except (ValidationError, PydanticSerializationError):
        given = textwrap.shorten(repr(value), 60, placeholder=" ...")
        raise ParameterError(
            f"parameter {parameter.name!r} must be {parameter.type_name}, "
            f"not {given} ({type(value).__name__})"
        ) from None


def _resolved(annotation: Any, factory: Callable[..., Any]) -> Any:
    """The type that an annotation names; `Any` if it names what only type checkers can see."""
    if annotation is REQUIRED:
        return Any
    if not isinstance(annotation, str):
        return annotation
    function = inspect.unwrap(factory.__init__ if inspect.isclass(factory) else factory)
    module = sys.modules.get(getattr(function, "__module__", ""))
    try:
        hints = typing.get_type_hints(
            SimpleNamespace(__annotations__={"parameter": annotation}), vars(module)
        )
    except (NameError, AttributeError, SyntaxError, TypeError):
        return Any
    return hints["parameter"]


def _written(annotation: Any) -> str:
    if annotation is REQUIRED:
        return "any"
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
