"""`grid.md`: a grid's results as tables."""

from __future__ import annotations

from collections.abc import Sequence

from uss_plugins.benchmarking.results import GridResults
from uss_plugins.benchmarking.summary import (
    COLUMN_NOTES,
    best_first,
    cell_rows,
    facts_of,
    mean_rows,
    pareto_front,
    reasons,
    title_of,
    varied_axes,
)


def markdown(results: GridResults) -> str:
    """The facts, the cells with the best first, the means along each axis, and what has no figures."""
    parts = [f"# {results.grid}", facts(results)]
    if results.done():
        parts += [
            cells_table(results),
            f"\\* on the Pareto front of SDRi and speed. {COLUMN_NOTES}",
        ]
        for axis in varied_axes(results):
            if len({row.labels[axis] for row, _ in results.done()}) > 1:
                parts += [f"## By {title_of(axis)}", means_table(results, axis)]
    for state in ("failed", "impossible", "not run"):
        parts += listed(results, state)
    return "\n\n".join(parts) + "\n"


def facts(results: GridResults) -> str:
    """How it was measured, as a list."""
    return "\n".join(f"- {name}: {text}" for name, text in facts_of(results).items())


def cells_table(results: GridResults) -> str:
    """A line for each cell that is done."""
    titles, rows = cell_rows(results)
    cells = best_first(results)
    front = {row.name for row, _ in pareto_front(cells)}
    sdri = len(varied_axes(results))
    for (row, _), texts in zip(cells, rows, strict=True):
        texts[sdri] += " \\*" if row.name in front else ""
    return table(titles, rows)


def means_table(results: GridResults, axis: str) -> str:
    """A line for each choice of an axis, and over what its means are."""
    titles, rows, over = mean_rows(results, axis)
    return table(titles, rows) + f"\n\n{over}"


def listed(results: GridResults, state: str) -> list[str]:
    """A section of the combinations in a state, with the reason; nothing if there are none."""
    found = reasons(results, state)
    if not found:
        return []
    lines = [
        f"- {'; '.join(row.name for row in rows)}" + (f": {reason}" if reason else "")
        for reason, rows in found.items()
    ]
    return [f"## {state.capitalize()}", "\n".join(lines)]


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    cells = [[text.replace("|", "\\|") for text in row] for row in [titles, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    cells.insert(1, ["-" * width for width in widths])
    lines = [
        " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join(f"| {line} |" for line in lines)
