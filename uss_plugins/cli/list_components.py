"""`uss-plugins list`: the installed components, and the plug-ins that are in trouble."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from registry import ComponentSpec, Plugin, Plugins, load_plugins
from registry.plugins import describe_collision


@click.command("list")
@click.option("--kind", help="Only this kind: query-net, embedding, separator or corpus.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_components(kind: str | None, as_json: bool) -> None:
    """List the installed components, with the distribution that each comes from.

    Plug-ins that are broken, that claim the same name, or that are switched off by
    USS_PLUGINS_DISABLE=NAME,... are listed with the reason.
    """
    plugins = load_plugins()
    click.echo(_as_json(plugins, kind) if as_json else _as_text(plugins, kind))


def _as_json(plugins: Plugins, kind: str | None) -> str:
    listing = {
        "components": [asdict(spec) for spec in plugins.specs(kind)],
        "broken": [
            {**_plugin_fields(entry.plugin), "reason": entry.reason} for entry in plugins.broken
        ],
        "collisions": [
            {
                "kind": claims[0].kind,
                "name": claims[0].name,
                "claims": [_plugin_fields(spec.source) for spec in claims],
            }
            for claims in plugins.collisions(kind)
        ],
        "disabled": [_plugin_fields(plugin) for plugin in plugins.disabled],
    }
    return json.dumps(listing, indent=2)


def _plugin_fields(plugin: Plugin) -> dict[str, str]:
    return {
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
    }


def _as_text(plugins: Plugins, kind: str | None) -> str:
    lines = _table(plugins.specs(kind))
    lines += [f"broken: {entry.plugin}: {entry.reason}" for entry in plugins.broken]
    lines += [f"collision: {describe_collision(claims)}" for claims in plugins.collisions(kind)]
    lines += [f"switched off: {plugin}" for plugin in plugins.disabled]
    return "\n".join(lines)


def _table(specs: list[ComponentSpec]) -> list[str]:
    rows = [("KIND", "NAME", "FROM", "SUMMARY")]
    rows += [
        (spec.kind, spec.name, f"{spec.distribution} {spec.version}", spec.summary)
        for spec in specs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)] + [0]
    return ["  ".join(map(str.ljust, row, widths)) for row in rows]
