"""Examples to look at and listen to: a mixture of each class that scores as its median."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from registry.contracts import Corpus
from uss_plugins.evaluation.batches import read_batches, separate_by_class
from uss_plugins.evaluation.results import PairScore, Results
from uss_plugins.evaluation.segments import UNKNOWN_CLASS

if TYPE_CHECKING:
    from uss_plugins.separation.model import UniversalSeparator


@dataclass(frozen=True)
class Example:
    """One mixture, its target, and the estimate by the bank's query: (samples,) each.

    improvement: SDRi of the estimate (dB).
    """

    class_name: str
    interferer_name: str
    improvement: float
    sample_rate: int
    mixture: NDArray[np.float32]
    target: NDArray[np.float32]
    estimate: NDArray[np.float32]


@torch.inference_mode()
def median_examples(model: UniversalSeparator, corpus: Corpus, results: Results) -> list[Example]:
    """Examples of at most `results.settings.examples` classes, best class first.

    Where there are more classes, those shown are spread evenly from the best to the worst.
    """
    chosen = {score.pair: score for score in _choose(results.pairs, results.settings.examples)}
    examples = []
    for batch in read_batches(corpus, list(chosen), results.settings):
        estimates = separate_by_class(model, batch)
        for row, pair in enumerate(batch.pairs):
            examples.append(
                Example(
                    class_name=corpus.class_names[pair.query_class],
                    interferer_name=_name(pair.second.class_index, corpus.class_names),
                    improvement=chosen[pair].bank.sdr_improvement,
                    sample_rate=corpus.sample_rate,
                    mixture=batch.mixtures[row].numpy(),
                    target=batch.firsts[row].numpy(),
                    estimate=estimates[row].numpy(),
                )
            )
    return examples


def _choose(scores: Sequence[PairScore], count: int) -> list[PairScore]:
    by_class: dict[int, list[PairScore]] = {}
    for score in scores:
        by_class.setdefault(score.pair.query_class, []).append(score)
    medians = [sorted(own, key=_improvement)[len(own) // 2] for own in by_class.values()]
    medians.sort(key=_improvement, reverse=True)
    kept = min(count, len(medians))
    return [medians[round(i)] for i in np.linspace(0, len(medians) - 1, kept)]


def _name(class_index: int, class_names: Sequence[str]) -> str:
    return "unknown" if class_index == UNKNOWN_CLASS else class_names[class_index]


def _improvement(score: PairScore) -> float:
    return score.bank.sdr_improvement
