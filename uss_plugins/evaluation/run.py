"""Running a model over an evaluation set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from registry.contracts import Corpus
from registry.errors import UserError
from uss_plugins.evaluation import metrics
from uss_plugins.evaluation.batches import (
    Batch,
    read_batches,
    separate_by_class,
    separate_by_mixture,
    separate_by_oracle,
)
from uss_plugins.evaluation.protocol import Pair
from uss_plugins.evaluation.results import (
    SCHEMA_VERSION,
    LeakScore,
    PairScore,
    Results,
    Scores,
)
from uss_plugins.evaluation.section import EvaluationSection
from uss_plugins.evaluation.summary import (
    interval_method,
    summarise_class,
    summarise_leak,
    summarise_query,
)
from uss_plugins.versions import versions

if TYPE_CHECKING:
    from uss_plugins.separation.model import UniversalSeparator


def check_fit(model: UniversalSeparator, corpus: Corpus) -> None:
    """Refuse a corpus whose classes or rate are not the model's.

    Raises:
        UserError: saying where they differ.
    """
    ours, theirs = tuple(model.class_names), tuple(corpus.class_names)
    if ours != theirs:
        missing = [name for name in theirs if name not in ours] or [
            name for name in ours if name not in theirs
        ]
        what = f"only one of them has {missing[0]!r}" if missing else "their order differs"
        raise UserError(
            f"the model has {len(ours)} classes, the recipe's corpus {len(theirs)}, and {what}: "
            "evaluate with the corpus that the model was trained for"
        )
    if model.sample_rate != corpus.sample_rate:
        raise UserError(
            f"the model works at {model.sample_rate} Hz, the recipe's corpus at "
            f"{corpus.sample_rate} Hz: give the recipe the model's rate"
        )


def score(estimates: Tensor, batch: Batch) -> list[Scores]:
    """Scores of `estimates` (batch, samples) against the batch's targets."""
    columns = (
        metrics.sdr(estimates, batch.firsts),
        metrics.sdr_improvement(estimates, batch.firsts, batch.mixtures),
        metrics.si_sdr(estimates, batch.firsts),
        metrics.si_sdr_improvement(estimates, batch.firsts, batch.mixtures),
    )
    return [Scores(*row) for row in torch.stack(columns, dim=1).tolist()]


@dataclass
class _Found:
    """What the batches gave so far."""

    mixture_query: bool
    pairs: list[PairScore] = field(default_factory=list)
    leaks: list[LeakScore] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add(self, model: UniversalSeparator, batch: Batch) -> None:
        self.skipped += batch.skipped
        if not batch.pairs:
            return
        by_bank = separate_by_class(model, batch)
        if batch.pairs[0].has_target:
            by_oracle = score(separate_by_oracle(model, batch), batch)
            by_mixture: Sequence[Scores | None] = [None] * len(batch.pairs)
            if self.mixture_query:
                by_mixture = score(separate_by_mixture(model, batch), batch)
            self.pairs += map(PairScore, batch.pairs, score(by_bank, batch), by_oracle, by_mixture)
        else:
            leaks = metrics.leak(by_bank, batch.mixtures).tolist()
            self.leaks += map(LeakScore, batch.pairs, leaks)


@torch.inference_mode()
def evaluate(
    model: UniversalSeparator,
    corpus: Corpus,
    pairs: Sequence[Pair],
    section: EvaluationSection,
    *,
    model_name: str = "",
    recipe_name: str = "",
    console: Console | None = None,
) -> Results:
    """Separate every pair by the bank's and by the oracle query, on the model's device; score it.

    With `mixture_query` also by what is heard of the class in the mixture.

    The model is used as it is: put it in evaluation mode and on its device before. `console` shows
    progress with the time to go. Pairs that cannot be mixed are skipped and named in the results.

    Raises:
        UserError: the corpus does not fit the model (`check_fit`), the model gives NaN, or no pair
            with its target can be mixed.
    """
    check_fit(model, corpus)
    start = time.perf_counter()
    found = _Found(section.mixture_query)
    with _progress(console) as progress:
        task = progress.add_task("evaluating", total=len(pairs))
        for batch in read_batches(corpus, pairs, section):
            found.add(model, batch)
            progress.advance(task, len(batch.pairs) + len(batch.skipped))
    if not found.pairs:
        reason = found.skipped[0] if found.skipped else "there is no pair with its target"
        raise UserError(f"nothing could be evaluated: {reason}")
    seconds = time.perf_counter() - start
    return _results(model, section, found, model_name, recipe_name, seconds)


def _progress(console: Console | None) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=console is None,
    )


def _results(
    model: UniversalSeparator,
    section: EvaluationSection,
    found: _Found,
    model_name: str,
    recipe_name: str,
    wall_seconds: float,
) -> Results:
    pairs, leaks = found.pairs, found.leaks
    samples, seed = section.bootstrap_samples, section.seed
    classes = enumerate(zip(model.class_names, model.class_ids, strict=True))
    return Results(
        schema_version=SCHEMA_VERSION,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        model=model_name,
        recipe=recipe_name,
        parameter_count=sum(parameter.numel() for parameter in model.parameters()),
        device=_device_name(model.query_bank.device),
        sample_rate=model.sample_rate,
        wall_seconds=wall_seconds,
        settings=section,
        versions=versions(),
        interval_method=interval_method(samples),
        bank=summarise_query(pairs, lambda score: score.bank, samples, seed),
        oracle=summarise_query(pairs, lambda score: score.oracle, samples, seed),
        leak=summarise_leak(leaks, samples, seed),
        skipped=tuple(found.skipped),
        classes=tuple(summarise_class(i, name, id_, pairs, leaks) for i, (name, id_) in classes),
        pairs=tuple(pairs),
        leaks=tuple(leaks),
        mixture=summarise_query(pairs, lambda score: cast(Scores, score.mixture), samples, seed)
        if section.mixture_query
        else None,
    )


def _device_name(device: torch.device) -> str:
    if device.type != "cuda":
        return str(device)
    return f"cuda ({torch.cuda.get_device_name(device)})"
