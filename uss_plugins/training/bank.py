"""The query bank: what a class sounds like to the embedding strategy, on average."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from registry.contracts import Corpus
from uss_plugins.corpora.anchors import AnchorTable, read_segment
from uss_plugins.separation.model import UniversalSeparator


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
        for first in range(0, len(rows), batch_size):
            part = rows[first : first + batch_size]
            segments = [
                read_segment(
                    corpus,
                    int(anchors.clip[row]),
                    int(anchors.start_samples[row]),
                    anchors.segment_samples,
                )
                for row in part
            ]
            classes = torch.full((len(part),), class_index, device=device)
            one_hot = F.one_hot(classes, len(model.class_names)).float()
            audio = torch.from_numpy(np.stack(segments)).to(device)
            bank[class_index] += model.condition_from_audio(audio, one_hot).sum(0) / len(rows)
    return bank
