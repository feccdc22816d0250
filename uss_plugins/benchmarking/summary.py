"""What a grid's figures say together: the Pareto front, the means along each axis, the columns of tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from uss_plugins.benchmarking.results import CellFigures, GridResults, Row


def number(value: float, unit: float = 1.0) -> str:
    """About three digits, without an exponent."""
    value /= unit
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


COLUMNS: dict[str, Callable[[CellFigures], str]] = {
    "SDRi by bank (dB)": lambda cell: str(cell.sdri),
    "SDRi by oracle (dB)": lambda cell: str(cell.oracle_sdri),
    "leak (dB)": lambda cell: "-" if cell.leak is None else str(cell.leak),
    "parameters (M)": lambda cell: number(cell.parameters, 1e6),
    "GMAC/s": lambda cell: number(cell.giga_macs_per_second),
    "real-time factor": lambda cell: number(cell.real_time_factor),
    "step (ms)": lambda cell: number(1e3 * cell.training_step_seconds),
    "steps": lambda cell: str(cell.steps),
    "training (s)": lambda cell: f"{cell.training_seconds:.1f}",
    "peak memory (MB)": lambda cell: number(cell.peak_memory_bytes, 1e6),
}
"""Title of a column -> a cell's entry."""

COLUMN_NOTES = (
    "SDRi: mean over classes of the median within a class, query from the bank or from the clean target"
    " (oracle), with its 95 % bootstrap interval over mixtures; leak: level of the estimate under the mixture"
    " where the class is absent; parameters: of the whole model; GMAC/s: 10⁹ multiply-accumulates of the"
    " separator for a second of audio, FFTs not counted; real-time factor: seconds that the separator takes"
    " for a second of audio; step: of the training, alone; training: steps and validations; peak memory: of"
    " the cell's process while it trained."
)


def varied_axes(results: GridResults) -> list[str]:
    """The axes that have more than one choice; all, if none has."""
    varied = [axis for axis, labels in results.axes.items() if len(labels) > 1]
    return varied or list(results.axes)


def title_of(axis: str) -> str:
    """An axis as a heading."""
    return axis.replace("_", " ")


def best_first(results: GridResults) -> list[tuple[Row, CellFigures]]:
    """The cells that are done, by their SDRi."""
    return sorted(results.done(), key=lambda pair: -pair[1].sdri.value)


def pareto_front(cells: Sequence[tuple[Row, CellFigures]]) -> list[tuple[Row, CellFigures]]:
    """The cells that none beats in both SDRi and real-time factor, fastest first."""
    front: list[tuple[Row, CellFigures]] = []
    for row, figures in sorted(
        cells, key=lambda pair: (pair[1].real_time_factor, -pair[1].sdri.value)
    ):
        if not front or figures.sdri.value > front[-1][1].sdri.value:
            front.append((row, figures))
    return front


@dataclass(frozen=True)
class Mean:
    """The means of one choice of an axis over `cells` combinations that all choices of the axis have.

    matched: whether there are such; if not, the means are over all of the choice's own.
    """

    label: str
    cells: int
    matched: bool
    sdri: float
    oracle_sdri: float
    leak: float | None
    best_sdri: float
    giga_macs_per_second: float
    real_time_factor: float
    training_step_seconds: float


def cell_rows(results: GridResults) -> tuple[list[str], list[list[str]]]:
    """Titles, and a row of texts for each cell that is done, best first: its choices, then its figures."""
    axes = varied_axes(results)
    rows = [
        [*(row.labels[axis] for axis in axes), *(entry(cell) for entry in COLUMNS.values())]
        for row, cell in best_first(results)
    ]
    return [*map(title_of, axes), *COLUMNS], rows


def mean_rows(results: GridResults, axis: str) -> tuple[list[str], list[list[str]], str]:
    """Titles, a row of texts for each choice of an axis, and a sentence on what the means are over."""
    means = means_along(results, axis)
    rows = [[one.label, *(entry(one) for entry in MEAN_COLUMNS.values())] for one in means]
    over = (
        "Means over the combinations that all of them have."
        if means[0].matched
        else "Means over different combinations: no combination of the rest has all of them."
    )
    return [title_of(axis), *MEAN_COLUMNS], rows, over


def means_along(results: GridResults, axis: str) -> list[Mean]:
    """The means of an axis's choices, best first."""
    found: defaultdict[str, dict[tuple[str, ...], CellFigures]] = defaultdict(dict)
    for row, figures in results.done():
        others = tuple(label for name, label in row.labels.items() if name != axis)
        found[row.labels[axis]][others] = figures
    common = set.intersection(*(set(cells) for cells in found.values())) if found else set()
    means = [
        mean_of(label, [cells[key] for key in cells if not common or key in common], bool(common))
        for label, cells in found.items()
    ]
    return sorted(means, key=lambda one: -one.sdri)


def mean_of(label: str, cells: Sequence[CellFigures], matched: bool) -> Mean:
    """The means of some cells."""
    leaks = [cell.leak.value for cell in cells if cell.leak is not None]
    return Mean(
        label,
        len(cells),
        matched,
        mean(cell.sdri.value for cell in cells),
        mean(cell.oracle_sdri.value for cell in cells),
        mean(leaks) if leaks else None,
        max(cell.sdri.value for cell in cells),
        mean(cell.giga_macs_per_second for cell in cells),
        mean(cell.real_time_factor for cell in cells),
        mean(cell.training_step_seconds for cell in cells),
    )


MEAN_COLUMNS: dict[str, Callable[[Mean], str]] = {
    "combinations": lambda one: str(one.cells),
    "mean SDRi (dB)": lambda one: f"{one.sdri:.2f}",
    "by oracle (dB)": lambda one: f"{one.oracle_sdri:.2f}",
    "mean leak (dB)": lambda one: "-" if one.leak is None else f"{one.leak:.1f}",
    "best SDRi (dB)": lambda one: f"{one.best_sdri:.2f}",
    "GMAC/s": lambda one: number(one.giga_macs_per_second),
    "real-time factor": lambda one: number(one.real_time_factor),
    "step (ms)": lambda one: number(1e3 * one.training_step_seconds),
}


def reasons(results: GridResults, state: str) -> dict[str, list[Row]]:
    """Why combinations are in a state, and which."""
    found: dict[str, list[Row]] = {}
    for row in results.rows:
        if row.state == state:
            found.setdefault(row.reason or "", []).append(row)
    return found


def facts_of(results: GridResults) -> dict[str, str]:
    """How a grid was measured, in words."""
    machines = {str(row.machine) for row in results.rows if row.machine} or {str(results.machine)}
    shared = ", ".join(
        f"{outcome.name} {outcome.seconds:.0f} s" for outcome in results.stages if not outcome.error
    )
    together = (
        f"{results.jobs} at a time on a machine" if results.jobs > 1 else "one after the other"
    )
    if results.processes > 1:
        together += f", dealt out over {results.processes} processes"
    counts = {state: sum(row.state == state for row in results.rows) for state in STATES}
    return {
        "Combinations": ", ".join(f"{count} {state}" for state, count in counts.items() if count),
        "Budget": f"{results.budget} of training for each, {results.budget.validations} validations",
        "Cells ran": together,
        "Shared by the cells": shared or "nothing yet",
        "Machine": "; ".join(sorted(machines)),
        "Intervals": results.interval_method,
        "Versions": ", ".join(f"{name} {number}" for name, number in results.versions.items()),
        "Made": results.created,
    }


STATES = ("done", "failed", "impossible", "not run")
