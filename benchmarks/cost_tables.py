"""Prints the costs of a run as Markdown tables: `python benchmarks/cost_tables.py FILE.json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Cost = Mapping[str, Any]

COLUMNS: dict[str, Callable[[Cost], str]] = {
    "": lambda cost: cost["what"],
    "of": lambda cost: cost["source"] or "",
    "parameters, M": lambda cost: _number(cost["parameter_count"], 1e6),
    "GMAC per s of audio": lambda cost: _number(cost["giga_macs_per_second"]),
    "ms": lambda cost: _number(cost["seconds"], 1e-3),
    "real-time factor": lambda cost: _number(cost["real_time_factor"]),
    "peak memory, MB": lambda cost: _number(cost["peak_memory_bytes"], 1e6),
    "of it asked for, MB": lambda cost: _number(cost["added_memory_bytes"], 1e6),
    "settings": lambda cost: _pairs(cost["settings"]),
    "figures": lambda cost: _pairs(cost["figures"]),
}


def tables(costs: Iterable[tuple[str, Cost]], not_measured: Iterable[str]) -> str:
    """One table for each group of (group, cost), without the columns that are empty in all of it."""
    groups: dict[str, list[list[str]]] = {}
    for group, cost in costs:
        groups.setdefault(group, []).append([read(cost) for read in COLUMNS.values()])
    parts = [_table(group, rows) for group, rows in groups.items()]
    reasons = [f"- {reason}" for reason in not_measured]
    if reasons:
        parts.append("\n".join(["Not measured:", "", *reasons]))
    return "\n\n".join(parts)


def _table(group: str, rows: list[list[str]]) -> str:
    titles = [group, *list(COLUMNS)[1:]]
    kept = [place for place in range(len(titles)) if any(row[place] for row in rows)]
    table = [[row[place] for place in kept] for row in [titles, *rows]]
    widths = [max(len(row[column]) for row in table) for column in range(len(kept))]
    table.insert(1, ["-" * width for width in widths])
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in table
    ]
    return "\n".join(f"| {line} |" for line in lines)


def _number(value: float | None, unit: float = 1.0) -> str:
    """Three digits."""
    if value is None:
        return ""
    value /= unit
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def report(run: Mapping[str, Any]) -> str:
    """The JSON of a run for people: what it was measured on, and the tables."""
    machine = run["machine_info"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    memory = f"{machine['memory_bytes'] / 2**30:.0f} GiB" if machine["memory_bytes"] else ""
    place = [
        machine["processor"],
        f"{machine['cores']} cores",
        f"{machine['threads']} threads",
        memory,
        *machine["accelerators"],
        machine["system"],
    ]
    measured = f"{run['datetime'][:10]}: {', '.join(filter(None, place))}; {versions}."
    costs = [(one["group"], one["extra_info"]) for one in run["benchmarks"]]
    return f"{measured}\n\n{tables(costs, run['not_measured'])}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(report(json.loads(Path(name).read_text(encoding="utf-8"))))
