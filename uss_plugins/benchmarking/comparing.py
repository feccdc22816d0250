"""Two runs of grids side by side: what each combination gained or lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uss_plugins.benchmarking.markdown import table
from uss_plugins.benchmarking.results import CellFigures, GridResults, Row
from uss_plugins.benchmarking.summary import number
from uss_plugins.evaluation.results import Interval

BOOTSTRAP_SAMPLES = 2000


@dataclass(frozen=True)
class Difference:
    """A combination that both runs finished: the second's figures against the first's.

    sdri: second minus first (dB), with its 95 % bootstrap interval. paired: whether both were judged by the
        same mixtures, so that the interval is of differences mixture by mixture.
    real_time_factor, training_step_seconds, peak_memory: second over first.
    """

    name: str
    first_sdri: Interval
    second_sdri: Interval
    sdri: Interval
    paired: bool
    real_time_factor: float
    training_step_seconds: float
    peak_memory: float


@dataclass(frozen=True)
class Comparison:
    """Two runs. only_first, only_second: combinations that the other does not have, or did not finish, and
    how they stand."""

    differences: tuple[Difference, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def compare_grids(first: GridResults, second: GridResults, seed: int = 0) -> Comparison:
    """What the second run has over the first; combinations are the same if all their labels are."""
    ours, theirs = by_labels(first), by_labels(second)
    differences = tuple(
        difference(one.name, one.figures, other.figures, seed)
        for key, one in ours.items()
        if (other := theirs.get(key)) is not None and one.figures and other.figures
    )
    return Comparison(differences, only_in(ours, theirs), only_in(theirs, ours))


def by_labels(results: GridResults) -> dict[frozenset[tuple[str, str]], Row]:
    """The rows by their labels, whatever the order of the axes."""
    return {frozenset(row.labels.items()): row for row in results.rows}


def only_in(
    ours: Mapping[frozenset[tuple[str, str]], Row], theirs: Mapping[frozenset[tuple[str, str]], Row]
) -> tuple[str, ...]:
    """The finished rows of one run that the other run has no figures for."""
    return tuple(
        row.name + (f" (there: {theirs[key].state})" if key in theirs else "")
        for key, row in ours.items()
        if row.figures and (key not in theirs or theirs[key].figures is None)
    )


def difference(name: str, first: CellFigures, second: CellFigures, seed: int) -> Difference:
    """One combination in both runs."""
    paired = first.mixtures == second.mixtures and {
        label: len(values) for label, values in first.class_sdri.items()
    } == {label: len(values) for label, values in second.class_sdri.items()}
    return Difference(
        name,
        first.sdri,
        second.sdri,
        improvement(first.class_sdri, second.class_sdri, paired=paired, seed=seed),
        paired,
        second.real_time_factor / first.real_time_factor,
        second.training_step_seconds / first.training_step_seconds,
        second.peak_memory_bytes / first.peak_memory_bytes,
    )


def improvement(
    first: Mapping[str, Sequence[float]],
    second: Mapping[str, Sequence[float]],
    *,
    paired: bool,
    samples: int = BOOTSTRAP_SAMPLES,
    seed: int = 0,
) -> Interval:
    """Second minus first: mean over classes of the medians, with its 95 % percentile bootstrap interval.

    Mixtures are resampled with replacement within their class; paired, the same ones in both.
    """
    before, after = ([np.array(group) for group in run.values()] for run in (first, second))
    seeds = (seed, seed if paired else [seed, 1])
    totals = [
        resampled_means(groups, samples, np.random.default_rng(own_seed))
        for groups, own_seed in zip((before, after), seeds, strict=True)
    ]
    low, high = np.percentile(totals[1] - totals[0], [2.5, 97.5])
    values = [float(np.mean([np.median(group) for group in run])) for run in (before, after)]
    return Interval(values[1] - values[0], float(low), float(high))


def resampled_means(
    groups: Sequence[NDArray[np.float64]], samples: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Means over groups of the medians of resampled groups: (samples,)."""
    total = np.zeros(samples)
    for group in groups:
        rows = generator.integers(len(group), size=(samples, len(group)))
        total += np.median(group[rows], axis=1)
    means: NDArray[np.float64] = total / len(groups)
    return means


def comparison_markdown(comparison: Comparison, names: tuple[str, str]) -> str:
    """The differences as a table, largest gain first, then what is only in one."""
    ranked = sorted(comparison.differences, key=lambda one: -one.sdri.value)
    rows = [
        [
            one.name,
            str(one.first_sdri),
            str(one.second_sdri),
            f"{one.sdri.value:+.2f} [{one.sdri.low:+.2f}, {one.sdri.high:+.2f}]",
            "yes" if one.paired else "no",
            f"{number(one.real_time_factor)}x",
            f"{number(one.training_step_seconds)}x",
            f"{number(one.peak_memory)}x",
        ]
        for one in ranked
    ]
    titles = [
        "combination",
        f"SDRi in {names[0]} (dB)",
        f"in {names[1]} (dB)",
        "difference (dB)",
        "paired",
        "real-time factor",
        "step",
        "peak memory",
    ]
    parts = [table(titles, rows)] if rows else ["No combination was finished in both."]
    for name, missing in zip(names, (comparison.only_first, comparison.only_second), strict=True):
        if missing:
            parts.append("\n".join([f"Only in {name}:", "", *(f"- {one}" for one in missing)]))
    return "\n\n".join(parts)
