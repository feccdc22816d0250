"""`uss-plugins check`: whether installed components keep their contracts, one line for each check."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import click
import yaml

from registry import BrokenComponentError, ComponentSpec, Plugins, UserError, load_plugins
from registry.conformance import CHECKS, Finding, Outcome, examine
from registry.errors import nearest
from registry.hookspecs import HOOKS
from registry.plugins import canonical_kind, describe_collision, one_line

_WORDS = {"passed": "ok  ", "failed": "FAIL", "not checked": "-   "}


@dataclass
class Examined:
    """What was checked, and what came of it."""

    title: str
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether a check failed."""
        return any(outcome.status == "failed" for outcome in self.outcomes)


@click.command("check")
@click.argument("selection", nargs=-1, metavar="[KIND] [NAME]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PARAMETER=VALUE",
    help="A parameter of the one component that is checked, in YAML. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(
    context: click.Context, selection: Sequence[str], settings: Sequence[str], as_json: bool
) -> None:
    """Check that installed components keep their contracts (registry/contracts.py).

    NAME is of a component, or of a distribution, whose components are checked; KIND is query-net,
    embedding, separator or corpus; without either everything is checked. Components are built with random
    weights and small values of what a recipe's composition would fill in. What cannot be built so, such
    as a corpus without its files, is named and not checked.

    Exits with code 1 if a check fails.
    """
    plugins = load_plugins()
    specs = select(plugins, selection)
    parameters = read_settings(settings)
    if parameters and len(specs) != 1:
        raise UserError(f"--set is for one component, and {len(specs)} are checked; name one")
    examined = [] if selection else list(broken_plugins(plugins))
    if not as_json:
        for entry in examined:
            _print_entry(entry)
    for spec in specs:
        examined.append(_examine(plugins, spec, parameters, len(specs) == 1, echo=not as_json))
    if as_json:
        click.echo(json.dumps([_as_json(entry) for entry in examined], indent=2))
    else:
        click.echo(_summary(examined))
    context.exit(1 if any(entry.failed for entry in examined) else 0)


def select(plugins: Plugins, selection: Sequence[str]) -> list[ComponentSpec]:
    """The components that `[KIND] [NAME]` means.

    Raises:
        UserError: no component, kind or distribution is called so; the nearest names are given.
    """
    if len(selection) > 2:
        raise UserError(f"check takes a kind and a name, not {len(selection)} words")
    if len(selection) == 2:
        return [plugins.find(*selection)]
    if not selection:
        return plugins.specs()
    (name,) = selection
    by_name = [spec for spec in plugins.specs() if spec.name == name]
    by_distribution = [
        spec for spec in plugins.specs() if _folded(spec.distribution) == _folded(name)
    ]
    if by_name or by_distribution:
        return by_name or by_distribution
    if name.casefold().replace("-", "_") in HOOKS:
        return plugins.specs(canonical_kind(name))
    for claims in plugins.collisions():
        if claims[0].name == name:
            raise UserError(describe_collision(claims))
    for broken in plugins.broken:
        if _folded(name) in (_folded(broken.plugin.name), _folded(broken.plugin.distribution)):
            raise UserError(f"{broken.plugin} cannot be used: {broken.reason}")
    known = {spec.name for spec in plugins.specs()} | {s.distribution for s in plugins.specs()}
    raise UserError(f"no component or distribution {name!r} is installed; {nearest(name, known)}")


def read_settings(settings: Sequence[str]) -> dict[str, Any]:
    """`PARAMETER=VALUE`, the values in YAML.

    Raises:
        UserError: a setting is not of that form.
    """
    parameters: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not name or not equals:
            raise UserError(f"--set {setting}: write a parameter and a value, such as channels=2")
        try:
            parameters[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UserError(f"--set {setting}: the value is not YAML; quote it") from None
    return parameters


def broken_plugins(plugins: Plugins) -> Iterator[Examined]:
    """What cannot be used at all: plug-ins that do not load, names claimed twice."""
    for broken in plugins.broken:
        yield _failed(str(broken.plugin), broken.reason, "mend the plug-in, or uninstall it")
    for claims in plugins.collisions():
        problem, _, remedy = describe_collision(claims).rpartition("; ")
        yield _failed(f"{claims[0].kind} {claims[0].name}", problem, remedy)


def _failed(title: str, problem: str, remedy: str) -> Examined:
    return Examined(title, [Outcome("builds", "failed", "", (Finding(problem, remedy),))])


def _examine(
    plugins: Plugins, spec: ComponentSpec, parameters: dict[str, Any], alone: bool, echo: bool
) -> Examined:
    """Check one component, printing as the checks end. What refuses to be built alone is the user's error."""
    entry = Examined(f"{spec.kind} {spec.name} ({spec.distribution} {spec.version})")
    for outcome in _outcomes(plugins, spec, parameters, alone):
        if echo and not entry.outcomes:
            click.echo(entry.title)
        entry.outcomes.append(outcome)
        if echo:
            click.echo(_line(outcome))
    return entry


def _outcomes(
    plugins: Plugins, spec: ComponentSpec, parameters: dict[str, Any], alone: bool
) -> Iterator[Outcome]:
    try:
        yield from examine(spec.kind, plugins.factory(spec.kind, spec.name), parameters)
    except BrokenComponentError as error:
        yield from _failed(spec.name, str(error), "mend its import string").outcomes
    except UserError as error:
        if alone:
            raise
        yield Outcome("builds", "not checked", one_line(error))


def _print_entry(entry: Examined) -> None:
    click.echo(entry.title)
    for outcome in entry.outcomes:
        click.echo(_line(outcome))


def _line(outcome: Outcome) -> str:
    return f"  {_WORDS[outcome.status]}  {outcome.check:<11}  {outcome.reason or CHECKS[outcome.check]}"


def _summary(examined: Sequence[Examined]) -> str:
    failed = sum(entry.failed for entry in examined)
    passed = sum(
        not entry.failed and any(outcome.status == "passed" for outcome in entry.outcomes)
        for entry in examined
    )
    parts = [f"{passed} passed", f"{failed} failed"]
    if rest := len(examined) - passed - failed:
        parts.append(f"{rest} not checked")
    return f"components: {', '.join(parts)}"


def _as_json(entry: Examined) -> dict[str, Any]:
    return {
        "component": entry.title,
        "passed": not entry.failed,
        "checks": [
            {**asdict(outcome), "asserts": CHECKS[outcome.check]} for outcome in entry.outcomes
        ],
    }


def _folded(name: str) -> str:
    """A name as package indexes compare it."""
    return name.casefold().replace("_", "-")
