"""`uss-plugins show`: one component's parameters, documentation and source."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from registry import ComponentSpec, Parameter, load_plugins
from registry.contracts import COMPOSED_PARAMETERS
from registry.parameters import read_parameters
from registry.plugins import import_factory


@click.command("show")
@click.argument("kind")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(kind: str, name: str, as_json: bool) -> None:
    """Show the parameters of a component, with types and defaults, its documentation and source.

    KIND is query-net, embedding, separator or corpus; `uss-plugins list` gives the names.
    """
    spec = load_plugins().find(kind, name)
    factory = import_factory(spec)
    click.echo(_as_json(spec, factory) if as_json else _as_text(spec, factory))


def _as_json(spec: ComponentSpec, factory: Callable[..., Any]) -> str:
    file, line = _source(factory)
    description = {
        **asdict(spec),
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type_name,
                "required": parameter.required,
                "default": None if parameter.required else parameter.default,
                "composed": _is_composed(spec, parameter),
            }
            for parameter in read_parameters(factory)
        ],
        "documentation": _documentation(factory),
        "source": {"file": file, "line": line},
    }
    return json.dumps(description, indent=2, default=repr)


def _as_text(spec: ComponentSpec, factory: Callable[..., Any]) -> str:
    file, line = _source(factory)
    lines = [
        f"{spec.kind} {spec.name}: {spec.summary}",
        f"from {spec.source}",
        f"source {file}:{line}" if file else f"source {spec.factory}",
        "",
        "parameters" if (parameters := read_parameters(factory)) else "no parameters",
    ]
    for parameter in parameters:
        value = "required" if parameter.required else f"= {parameter.default!r}"
        composed = "  (from its neighbours)" if _is_composed(spec, parameter) else ""
        lines.append(f"  {parameter.name}: {parameter.type_name}  {value}{composed}")
    if documentation := _documentation(factory):
        lines += ["", documentation]
    return "\n".join(lines)


def _is_composed(spec: ComponentSpec, parameter: Parameter) -> bool:
    """Whether whoever composes components fills the parameter in from the neighbours."""
    return parameter.name in COMPOSED_PARAMETERS[spec.kind]


def _documentation(factory: Callable[..., Any]) -> str:
    """The factory's own docstring, and its constructor's; not what it inherits."""
    documented = [factory]
    if inspect.isclass(factory) and "__init__" in vars(factory):
        documented.append(vars(factory)["__init__"])
    return "\n\n".join(inspect.cleandoc(each.__doc__) for each in documented if each.__doc__)


def _source(factory: Callable[..., Any]) -> tuple[str | None, int | None]:
    """File and line where the factory is defined; None where it has no Python source."""
    try:
        return inspect.getsourcefile(factory), inspect.getsourcelines(factory)[1]
    except (OSError, TypeError):
        return None, None
