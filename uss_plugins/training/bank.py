"""The query bank: what a class sounds like to the embedding strategy, on average."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from registry.contracts import ClipUnreadableError, Corpus
from uss_plugins.corpora.anchors import AnchorTable, read_segment
from uss_plugins.separation.model import UniversalSeparator

logger = logging.getLogger(__name__)


@torch.no_grad()
def query_bank(
    model: UniversalSeparator,
    corpus: Corpus,
    anchors: AnchorTable,
    *,
    anchors_per_class: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
) -> Tensor:
    """Mean condition of each class over its anchors: (classes, condition_size) (paper, section IV-C).

    anchors_per_class: a random choice of so many; None takes all. A class without anchors gets zeros.
    """
    model.eval()
    device = model.query_bank.device
    bank = torch.zeros_like(model.query_bank)
    generator = np.random.default_rng(seed)
    for class_index in range(len(model.class_names)):
        rows = np.flatnonzero(anchors.class_index == class_index)
        if anchors_per_class is not None and len(rows) > anchors_per_class:
            rows = np.sort(generator.choice(rows, anchors_per_class, replace=False))
        count = 0
        for first in range(0, len(rows), batch_size):
            segments = readable_segments(corpus, anchors, rows[first : first + batch_size])
            if not segments:
                continue
            classes = torch.full((len(segments),), class_index, device=device)
            one_hot = F.one_hot(classes, len(model.class_names)).float()
            audio = torch.from_numpy(np.stack(segments)).to(device)
            bank[class_index] += model.condition_from_audio(audio, one_hot).sum(0)
            count += len(segments)
        bank[class_index] /= max(count, 1)
    return bank


def readable_segments(
    corpus: Corpus, anchors: AnchorTable, rows: NDArray[np.int64]
) -> list[NDArray[np.float32]]:
    """The audio of some anchors; those that have become unreadable since they were mined are named."""
    segments = []
    for row in rows.tolist():
        clip, start = int(anchors.clip[row]), int(anchors.start_samples[row])
        try:
            segments.append(read_segment(corpus, clip, start, anchors.segment_samples))
        except ClipUnreadableError as error:
            logger.warning("not in the query bank: %s", error)
    return segments
