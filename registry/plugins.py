"""Finds the installed plug-ins, and keeps what they register: entry points in, components out."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from registry import hookspecs
from registry.errors import UserError, nearest
from registry.parameters import Parameter, check_parameters, read_parameters

DISABLE_VARIABLE = "USS_PLUGINS_DISABLE"
"""Environment variable: comma-separated plug-ins to leave out, by entry-point or distribution name."""


class UnknownComponentError(UserError):
    """No plug-in registers a component, or knows a kind of component, of that name."""


class CollisionError(UserError):
    """Several plug-ins claim one name for a kind of component."""


class BrokenComponentError(UserError):
    """A component is registered, but its factory cannot be imported."""


@dataclass(frozen=True)
class Plugin:
    """An installed plug-in and where it comes from: its entry point and its distribution."""

    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"plug-in {self.name!r} of {self.distribution} {self.version}"


@dataclass(frozen=True)
class BrokenPlugin:
    """A plug-in that could not be used, and why, in one line."""

    plugin: Plugin
    reason: str


@dataclass(frozen=True)
class ComponentSpec:
    """A registered component. Nothing of it is imported yet.

    factory: import string, "package.module:attribute".
    plugin, distribution, version: the entry point that registered it, and where that is installed from.
    """

    kind: str
    name: str
    summary: str
    factory: str
    plugin: str
    distribution: str
    version: str

    @property
    def source(self) -> Plugin:
        """The plug-in that registered it."""
        return Plugin(self.plugin, self.distribution, self.version)


def canonical_kind(kind: str) -> str:
    """The name of a kind as the code spells it: "query-net" is "query_net".

    Raises:
        UnknownComponentError: there is no such kind.
    """
    canonical = kind.strip().casefold().replace("-", "_")
    if canonical not in hookspecs.HOOKS:
        raise UnknownComponentError(
            f"no kind of component is called {kind!r}; known: {', '.join(hookspecs.HOOKS)}"
        )
    return canonical


@dataclass
class Plugins:
    """What the installed plug-ins offer.

    broken: plug-ins that could not be used. disabled: those that the user switched off.
    """

    broken: list[BrokenPlugin] = field(default_factory=list)
    disabled: list[Plugin] = field(default_factory=list)
    _claims: dict[tuple[str, str], list[ComponentSpec]] = field(default_factory=dict)

    def add(self, specs: Iterable[ComponentSpec]) -> None:
        """Add components; one whose name is taken makes that name a collision."""
        for spec in specs:
            self._claims.setdefault((spec.kind, spec.name), []).append(spec)

    def specs(self, kind: str | None = None) -> list[ComponentSpec]:
        """All components (of a kind) that can be looked up, by kind and name."""
        return [claims[0] for claims in self._sorted_claims(kind) if len(claims) == 1]

    def collisions(self, kind: str | None = None) -> list[list[ComponentSpec]]:
        """For each name (of a kind) that several plug-ins claim, the components they claim it for."""
        return [claims for claims in self._sorted_claims(kind) if len(claims) > 1]

    def find(self, kind: str, name: str) -> ComponentSpec:
        """The component of that name.

        Raises:
            UnknownComponentError: there is none; the message gives the nearest names.
            CollisionError: several plug-ins claim the name; the message names their distributions.
        """
        kind = canonical_kind(kind)
        claims = self._claims.get((kind, name), [])
        if not claims:
            raise UnknownComponentError(self._unknown_message(kind, name))
        if len(claims) > 1:
            claimants = " and ".join(str(spec.source) for spec in claims)
            raise CollisionError(
                f"{_described(kind, name)} is claimed by {claimants}; "
                f"switch off all but one with {DISABLE_VARIABLE}=NAME,..."
            )
        return claims[0]

    def factory(self, kind: str, name: str) -> Callable[..., Any]:
        """The class or function that makes a component, imported.

        Raises:
            UnknownComponentError, CollisionError: as `find`.
            BrokenComponentError: the factory cannot be imported.
        """
        return import_factory(self.find(kind, name))

    def parameters(self, kind: str, name: str) -> tuple[Parameter, ...]:
        """The parameters a component takes. Raises as `factory`."""
        return read_parameters(self.factory(kind, name))

    def build(self, kind: str, name: str, **parameters: Any) -> Any:
        """Make a component, after checking `parameters` against its factory's signature.

        Raises:
            UnknownComponentError, CollisionError, BrokenComponentError: as `factory`.
            ParameterError: a parameter is unknown, missing or of the wrong type.
        """
        factory = self.factory(kind, name)
        described = _described(canonical_kind(kind), name)
        return factory(**check_parameters(factory, parameters, described))

    def _sorted_claims(self, kind: str | None) -> list[list[ComponentSpec]]:
        wanted = list(hookspecs.HOOKS) if kind is None else [canonical_kind(kind)]
        keys = [key for key in self._claims if key[0] in wanted]
        return [self._claims[key] for key in sorted(keys, key=lambda k: (wanted.index(k[0]), k[1]))]

    def _unknown_message(self, kind: str, name: str) -> str:
        names = [known for known_kind, known in self._claims if known_kind == kind]
        message = f"no {_described(kind, name)} is registered; {nearest(name, names)}"
        if self.broken or self.disabled:
            hidden = [
                *(entry.plugin.name for entry in self.broken),
                *(p.name for p in self.disabled),
            ]
            message += (
                f" (plug-ins broken or switched off: {', '.join(hidden)}; see uss-plugins list)"
            )
        return message


def load_plugins(environment: Mapping[str, str] | None = None) -> Plugins:
    """Load every installed plug-in: the entry points of group `uss_plugins`.

    A plug-in that fails does not stop the others: it is kept in `Plugins.broken` with its reason.

    environment: where to read `USS_PLUGINS_DISABLE` from; `os.environ` if None.
    """
    environment = os.environ if environment is None else environment
    switched_off = {
        _normalised(name)
        for name in environment.get(DISABLE_VARIABLE, "").split(",")
        if name.strip()
    }
    plugins = Plugins()
    found = [(_provenance(entry), entry) for entry in entry_points(group=hookspecs.PROJECT)]
    for plugin, entry in sorted(found, key=lambda pair: (pair[0].distribution, pair[0].name)):
        if switched_off & {_normalised(plugin.name), _normalised(plugin.distribution)}:
            plugins.disabled.append(plugin)
            continue
        try:
            plugins.add(_registered(entry, plugin))
        except (Exception, SystemExit) as error:  # anything at all may go wrong in others' code
            plugins.broken.append(BrokenPlugin(plugin, one_line(error)))
    return plugins


def import_factory(spec: ComponentSpec) -> Callable[..., Any]:
    """Import the factory of a component.

    Raises:
        BrokenComponentError: naming the plug-in, its distribution and the reason.
    """
    module_name, _, attributes = spec.factory.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for attribute in attributes.split("."):
            found = getattr(found, attribute)
        if not callable(found):
            raise TypeError(f"{spec.factory} is not callable")
    except Exception as error:
        raise BrokenComponentError(
            f"{_described(spec.kind, spec.name)} of {spec.source} cannot be loaded "
            f"from {spec.factory}: {one_line(error)}"
        ) from error
    return found  # type: ignore[no-any-return]


def one_line(error: BaseException) -> str:
    """An exception as "Type: message" in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _registered(entry: EntryPoint, plugin: Plugin) -> list[ComponentSpec]:
    """What a plug-in registers. A manager of its own for each, so that its faults are known to be its own."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    implementation = entry.load()
    manager.register(implementation)
    manager.check_pending()
    if not manager.get_hookcallers(implementation):
        raise UserError("it implements no hook; mark its functions with registry.hookimpl")
    collector = _Collector(plugin)
    for kind, hook in hookspecs.HOOKS.items():
        collector.kind = kind
        getattr(manager.hook, hook)(register=collector)
    return collector.specs


@dataclass
class _Collector:
    """The `register` that hooks are given: refuses what could never be built, and keeps the rest."""

    plugin: Plugin
    kind: str = ""
    specs: list[ComponentSpec] = field(default_factory=list)

    def __call__(self, name: str, factory: str, *, summary: str) -> None:
        what = _described(self.kind, name)
        if not re.fullmatch(r"[\w.-]+", name):
            raise UserError(f"{what}: a name is made of letters, digits, '_', '-' and '.'")
        if not re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", factory):
            raise UserError(
                f"{what}: its factory {factory!r} is not of the form 'package.module:attribute'"
            )
        if any((spec.kind, spec.name) == (self.kind, name) for spec in self.specs):
            raise UserError(f"{what} is registered twice by the same plug-in")
        self.specs.append(
            ComponentSpec(
                self.kind,
                name,
                " ".join(summary.split()),
                factory,
                self.plugin.name,
                self.plugin.distribution,
                self.plugin.version,
            )
        )


def _provenance(entry: EntryPoint) -> Plugin:
    distribution = entry.dist
    if distribution is None:
        return Plugin(entry.name, "an unknown distribution", "of unknown version")
    return Plugin(entry.name, distribution.name, distribution.version)


def _normalised(name: str) -> str:
    """A name as package indexes compare it: `My_Nets` is `my-nets`."""
    return re.sub(r"[-_.]+", "-", name.strip()).casefold()


def _described(kind: str, name: str) -> str:
    return f"{kind.replace('_', ' ')} {name!r}"
