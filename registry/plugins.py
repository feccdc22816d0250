"""What the installed plug-ins offer: look-up by kind and name, and building."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.errors import UserError, nearest
from registry.hookspecs import HOOKS
from registry.parameters import Parameter, check_parameters, read_parameters

DISABLE_VARIABLE = "USS_PLUGINS_DISABLE"
"""Environment variable: plug-ins to leave out, by entry-point or distribution name, with commas."""


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
    plugin, distribution, version: the entry point that registered it, and where that comes from.
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
    if canonical not in HOOKS:
        raise UnknownComponentError(
            f"no kind of component is called {kind!r}; known: {', '.join(HOOKS)}"
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
        """The claims on each name (of a kind) that several plug-ins claim."""
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
            raise CollisionError(describe_collision(claims))
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

    def build(self, kind: str, name: str, /, **parameters: Any) -> Any:
        """Make a component, after checking `parameters` against its factory's signature.

        Raises:
            UnknownComponentError, CollisionError, BrokenComponentError: as `factory`.
            ParameterError: a parameter is unknown, missing or of the wrong type.
        """
        factory = self.factory(kind, name)
        component = described(canonical_kind(kind), name)
        return factory(**check_parameters(factory, parameters, component))

    def _sorted_claims(self, kind: str | None) -> list[list[ComponentSpec]]:
        wanted = list(HOOKS) if kind is None else [canonical_kind(kind)]
        keys = [key for key in self._claims if key[0] in wanted]
        return [self._claims[key] for key in sorted(keys, key=lambda k: (wanted.index(k[0]), k[1]))]

    def _unknown_message(self, kind: str, name: str) -> str:
        names = [known for known_kind, known in self._claims if known_kind == kind]
        message = f"no {described(kind, name)} is registered; {nearest(name, names)}"
        hidden = [entry.plugin.name for entry in self.broken] + [p.name for p in self.disabled]
        if hidden:
            message += f" (not in use: plug-ins {', '.join(hidden)}; see uss-plugins list)"
        return message


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
            f"{described(spec.kind, spec.name)} of {spec.source} cannot be loaded "
            f"from {spec.factory}: {one_line(error)}"
        ) from error
    return found  # type: ignore[no-any-return]


def describe_collision(claims: Sequence[ComponentSpec]) -> str:
    """Which plug-ins claim one name, and what to do about it."""
    claimants = " and ".join(str(spec.source) for spec in claims)
    return (
        f"{described(claims[0].kind, claims[0].name)} is claimed by {claimants}; "
        f"switch off all but one with {DISABLE_VARIABLE}=PLUGIN,..."
    )


def one_line(error: BaseException) -> str:
    """An exception in one line: "Type: message", or just a message that was written for users."""
    message = " ".join(str(error).split())
    if isinstance(error, UserError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def described(kind: str, name: str) -> str:
    """How messages call a component."""
    return f"{kind.replace('_', ' ')} {name!r}"
