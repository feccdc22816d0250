"""The heat map of a grid's page: a table coloured by SDRi."""

from __future__ import annotations

from html import escape

from uss_plugins.benchmarking.results import GridResults, Row
from uss_plugins.reporting.figures import decibels

COLOURS = "viridis"


def heat_maps(results: GridResults) -> str:
    """SDRi of every combination: embeddings down, separators across, a table for each rest of the axes."""
    values = [figures.sdri.value for _, figures in results.done()]
    low, high = min(values), max(values)
    rest = [axis for axis in results.axes if axis not in ("embedding", "separator")]
    groups: dict[tuple[str, ...], dict[tuple[str, str], Row]] = {}
    for row in results.rows:
        key = tuple(row.labels[axis] for axis in rest)
        place = (row.labels["embedding"], row.labels["separator"])
        groups.setdefault(key, {})[place] = row
    return "".join(
        f"<h3>{escape(' · '.join(key))}</h3>" + heat_map(results, rows, low, high)
        for key, rows in groups.items()
    )


def heat_map(
    results: GridResults, rows: dict[tuple[str, str], Row], low: float, high: float
) -> str:
    """One table, coloured from `low` to `high`."""
    separators = results.axes["separator"]
    head = "".join(f"<th>{escape(label)}</th>" for label in separators)
    body = "".join(
        f"<tr><th>{escape(embedding)}</th>"
        + "".join(heat_cell(rows.get((embedding, one)), low, high) for one in separators)
        + "</tr>"
        for embedding in results.axes["embedding"]
    )
    return f'<div class="scroll"><table class="heat"><tr><th></th>{head}</tr>{body}</table></div>'


def heat_cell(row: Row | None, low: float, high: float) -> str:
    """A combination's SDRi and interval, or its state with the reason under the pointer."""
    if row is None:
        return "<td></td>"
    if row.figures is None:
        return f'<td class="none" title="{escape(row.reason or row.state)}">{row.state}</td>'
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    sdri = row.figures.sdri
    share = (sdri.value - low) / (high - low) if high > low else 1.0
    red, green, blue, _ = colormaps[COLOURS](share)
    ink = "#000" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#fff"
    style = f"background: {to_hex((red, green, blue))}; color: {ink}"
    interval = f"[{decibels(sdri.low)}, {decibels(sdri.high)}]"
    return f'<td style="{style}">{decibels(sdri.value)}<small>{interval}</small></td>'
