"""From scores of pairs to figures of classes and of the model: medians and their mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from uss_plugins.evaluation.results import (
    METRICS,
    ClassResult,
    Interval,
    LeakScore,
    PairScore,
    Scores,
)


def interval_method(bootstrap_samples: int) -> str:
    """What the intervals of `mean_of_medians` are, in words."""
    return (
        f"95 % percentile bootstrap of the mean over classes of the medians within each class: "
        f"pairs resampled with replacement within their class, classes kept, "
        f"{bootstrap_samples} times"
    )


def mean_of_medians(
    groups: Sequence[NDArray[np.float64]], bootstrap_samples: int, seed: int
) -> Interval:
    """Median within each group, then the mean over groups, with its bootstrap interval.

    Each group holds the values of one class: (pairs,), at least one. What the interval covers is
    the choice of the pairs, not of the classes and not the training. Efron, "Bootstrap methods",
    1979.

    Raises:
        ValueError: no group, or an empty one.
    """
    if not groups or any(len(group) == 0 for group in groups):
        raise ValueError("a mean of medians needs at least one group, and values in each")
    generator = np.random.default_rng(seed)
    totals = np.zeros(bootstrap_samples)
    for group in groups:
        rows = generator.integers(len(group), size=(bootstrap_samples, len(group)))
        totals += np.median(group[rows], axis=1)
    low, high = np.percentile(totals / len(groups), [2.5, 97.5])
    value = np.mean([np.median(group) for group in groups])
    return Interval(float(value), float(low), float(high))


def summarise_query(
    pairs: Sequence[PairScore], scores_of: Callable[[PairScore], Scores], samples: int, seed: int
) -> dict[str, Interval]:
    """Metric -> mean of medians, over the scores that `scores_of` picks from each pair."""
    classes = sorted({score.pair.query_class for score in pairs})
    by_class = [[scores_of(s) for s in pairs if s.pair.query_class == index] for index in classes]
    return {
        metric: mean_of_medians(
            [np.array([getattr(score, metric) for score in group]) for group in by_class],
            samples,
            seed,
        )
        for metric in METRICS
    }


def summarise_leak(leaks: Sequence[LeakScore], samples: int, seed: int) -> Interval | None:
    """Mean of the classes' median leaks; None when there is none."""
    classes = sorted({score.pair.query_class for score in leaks})
    groups = [np.array([s.leak for s in leaks if s.pair.query_class == i]) for i in classes]
    return mean_of_medians(groups, samples, seed) if groups else None


def summarise_class(
    index: int, name: str, id_: str, pairs: Sequence[PairScore], leaks: Sequence[LeakScore]
) -> ClassResult:
    """The row of class `index`."""
    own = [score for score in pairs if score.pair.query_class == index]
    absent = [score.leak for score in leaks if score.pair.query_class == index]
    return ClassResult(
        name=name,
        id=id_,
        pair_count=len(own),
        absent_count=len(absent),
        bank=_medians([score.bank for score in own]),
        oracle=_medians([score.oracle for score in own]),
        leak=float(np.median(absent)) if absent else None,
        mixture=_medians([score.mixture for score in own if score.mixture is not None]),
    )


def _medians(scores: Sequence[Scores]) -> Scores | None:
    if not scores:
        return None
    return Scores(**{m: float(np.median([getattr(score, m) for score in scores])) for m in METRICS})
