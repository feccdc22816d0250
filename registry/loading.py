"""Loads the installed plug-ins: the entry points of group `uss_plugins`, and what they register."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

import pluggy

from registry import hookspecs
from registry.errors import UserError, nearest
from registry.plugins import (
    DISABLE_VARIABLE,
    BrokenPlugin,
    ComponentSpec,
    Plugin,
    Plugins,
    described,
    one_line,
)


def load_plugins(environment: Mapping[str, str] | None = None) -> Plugins:
    """Load every installed plug-in: the entry points of group `uss_plugins`.

    A plug-in that fails does not stop the others: it is kept in `Plugins.broken` with its reason.

    environment: where to read `USS_PLUGINS_DISABLE` from; `os.environ` if None.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(DISABLE_VARIABLE, "").split(",")
    switched_off = {_normalised(name) for name in named if name.strip()}
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


def _registered(entry: EntryPoint, plugin: Plugin) -> list[ComponentSpec]:
    """What a plug-in registers."""
    # Each plug-in gets a manager of its own, so that a fault is known to be that plug-in's.
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    implementation = entry.load()
    manager.register(implementation)
    _check_hooks_are_declared(manager, implementation)
    if not manager.get_hookcallers(implementation):
        raise UserError("it implements no hook; mark its functions with registry.hookimpl")
    collector = _Collector(plugin)
    for kind, hook in hookspecs.HOOKS.items():
        collector.kind = kind
        getattr(manager.hook, hook)(register=collector)
    return collector.specs


def _check_hooks_are_declared(manager: pluggy.PluginManager, implementation: object) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError:
        hooks = manager.get_hookcallers(implementation) or []
        undeclared = [hook.name for hook in hooks if not hook.has_spec()]
        hints = (f"{name!r} ({nearest(name, hookspecs.HOOKS.values(), 1)})" for name in undeclared)
        raise UserError(f"it implements a hook that does not exist: {', '.join(hints)}") from None


@dataclass
class _Collector:
    """The `register` that hooks are given: refuses what could never be built."""

    plugin: Plugin
    kind: str = ""
    specs: list[ComponentSpec] = field(default_factory=list)

    def __call__(self, name: str, factory: str, *, summary: str) -> None:
        what = described(self.kind, name)
        if not re.fullmatch(r"[\w.-]+", name):
            raise UserError(f"{what}: a name is made of letters, digits, '_', '-' and '.'")
        if not re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", factory):
            raise UserError(f"{what}: factory {factory!r} is not 'package.module:attribute'")
        if any((spec.kind, spec.name) == (self.kind, name) for spec in self.specs):
            raise UserError(f"{what} is registered twice by the same plug-in")
        origin = (self.plugin.name, self.plugin.distribution, self.plugin.version)
        summary = " ".join(summary.split())
        self.specs.append(ComponentSpec(self.kind, name, summary, factory, *origin))


def _provenance(entry: EntryPoint) -> Plugin:
    try:
        assert entry.dist is not None  # only of an entry point that was not found but made
        return Plugin(entry.name, str(entry.dist.metadata["Name"]), str(entry.dist.version))
    except (KeyError, TypeError, OSError):  # an installation whose metadata is damaged
        return Plugin(entry.name, "an unknown distribution", "of unknown version")


def _normalised(name: str) -> str:
    """A name as package indexes compare it: `My_Nets` is `my-nets`."""
    return re.sub(r"[-_.]+", "-", name.strip()).casefold()
