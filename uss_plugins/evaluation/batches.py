"""Batches of an evaluation set, and a model's estimates of them by either query.

batch     pairs separated together
channels  audio channels of the model; the mono mixture is given to each, the estimates averaged
samples   audio samples at the model's rate
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from registry.contracts import Corpus
from registry.errors import UserError
from uss_plugins.evaluation.protocol import Pair, UnusablePairError, mix_pair
from uss_plugins.evaluation.section import EvaluationSection

if TYPE_CHECKING:
    from uss_plugins.separation.model import UniversalSeparator


@dataclass(frozen=True)
class Batch:
    """Pairs, all with the target or all without, and their audio.

    mixtures: (batch, samples). firsts: (batch, samples), the first segment of each: the target.
    skipped: what could not be mixed, and why.
    """

    pairs: tuple[Pair, ...]
    mixtures: Tensor
    firsts: Tensor
    skipped: tuple[str, ...]


def read_batches(
    corpus: Corpus, pairs: Sequence[Pair], section: EvaluationSection
) -> Iterator[Batch]:
    """Batches of mixtures; the next one is read while the caller works on this one."""
    groups = [[p for p in pairs if p.has_target], [p for p in pairs if not p.has_target]]
    size = section.batch_size
    chunks = [group[i : i + size] for group in groups for i in range(0, len(group), size)]
    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead: Future[Batch] | None = None
        for chunk in chunks:
            current, ahead = ahead, reader.submit(_read_batch, corpus, chunk, section)
            if current is not None:
                yield current.result()
        if ahead is not None:
            yield ahead.result()


def _read_batch(corpus: Corpus, pairs: Sequence[Pair], section: EvaluationSection) -> Batch:
    samples = round(section.segment_seconds * corpus.sample_rate)
    kept: list[Pair] = []
    skipped: list[str] = []
    audio: list[Tensor] = []
    for pair in pairs:
        try:
            mixture, first = mix_pair(corpus, pair, section.segment_seconds)
        except UnusablePairError as error:
            skipped.append(str(error))
            continue
        kept.append(pair)
        audio.append(torch.stack([torch.from_numpy(mixture), torch.from_numpy(first)]))
    stacked = torch.stack(audio, dim=1) if audio else torch.zeros(2, 0, samples)
    return Batch(tuple(kept), stacked[0], stacked[1], tuple(skipped))


def separate_by_class(model: UniversalSeparator, batch: Batch) -> Tensor:
    """Estimates (batch, samples) when the queries come from the model's bank."""
    condition = model.condition_from_classes([pair.query_class for pair in batch.pairs])
    return _separate(model, batch.mixtures, condition)


def separate_by_oracle(model: UniversalSeparator, batch: Batch) -> Tensor:
    """Estimates (batch, samples) when the queries come from the clean targets."""
    device = model.query_bank.device
    wanted = torch.tensor([pair.query_class for pair in batch.pairs])
    classes = F.one_hot(wanted, len(model.class_names)).float()
    condition = model.condition_from_audio(batch.firsts.to(device), classes.to(device))
    return _separate(model, batch.mixtures, condition)


def separate_by_mixture(model: UniversalSeparator, batch: Batch) -> Tensor:
    """Estimates (batch, samples) when the query net listens to the mixtures, as it must at separation.

    Of what it hears the target's class is kept (paper, section III-F). For a strategy whose condition is not
    made of classes that is the bank's condition.
    """
    device = model.query_bank.device
    wanted = torch.tensor([pair.query_class for pair in batch.pairs])
    mask = F.one_hot(wanted, len(model.class_names)).float()
    query = model.listen(batch.mixtures.to(device))
    return _separate(model, batch.mixtures, model.condition_from_mask(query, mask.to(device)))


def _separate(model: UniversalSeparator, mixtures: Tensor, condition: Tensor) -> Tensor:
    mixture = mixtures.to(condition.device)[:, None].expand(-1, model.channels, -1)
    estimate: Tensor = model(mixture, condition).float().mean(dim=1)
    if not bool(torch.isfinite(estimate).all()):
        raise UserError(
            "the model's estimate holds NaN or infinity: its weights are damaged or its training "
            "diverged; train it again"
        )
    return estimate.cpu()
