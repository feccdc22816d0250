"""A plan as the separation of recordings wants it: cues for each segment."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor

from registry.contracts import EmbeddingStrategy, QueryOutput
from uss_plugins.separation.hierarchy.plan import Plan, PlannedNode
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.queries import Cue


class NodeConditions:
    """`Conditions` of a plan. Its segments were tagged beforehand, so nothing is listened to again.

    For a strategy whose condition is the probabilities, a node's is those of its classes, zero elsewhere
    (paper, section III-F). For one that only names classes, or has their embeddings in the bank, the node's
    active classes count: dozens that are hardly heard would else outweigh the few that are.
    """

    def __init__(self, model: UniversalSeparator, plan: Plan) -> None:
        self._model, self._plan = model, plan
        self.classes: Mapping[str, tuple[str, ...]] = {
            output: tuple(model.class_names[index] for index in one.node.classes)
            for output, one in plan.outputs.items()
        }
        self.always: tuple[str, ...] = tuple(
            output for output, one in plan.outputs.items() if not one.active.any()
        )
        # Segments come in order, the silent ones left out.
        self._segments = iter(np.flatnonzero(plan.heard.sounding).tolist())
        embedding = cast(EmbeddingStrategy, model.embedding)
        self._takes_all = embedding.class_indexed and not embedding.needs_classes

    def __call__(self, audio: Tensor) -> list[dict[str, Cue]]:
        """Cues for the next segments; see `Conditions`. One condition for all that share an estimate."""
        segments = list(itertools.islice(self._segments, len(audio)))
        sources = [self._plan.sources(segment) for segment in segments]
        wanted = {
            (segment, id(source)): source
            for segment, own in zip(segments, sources, strict=True)
            for source in own.values()
        }
        conditions = dict(zip(wanted, self._conditions(wanted), strict=True))
        return [
            {
                output: Cue(
                    conditions[segment, id(source)],
                    float(self._plan.outputs[output].probabilities[segment]),
                )
                for output, source in own.items()
            }
            for segment, own in zip(segments, sources, strict=True)
        ]

    def _conditions(self, wanted: Mapping[tuple[int, int], PlannedNode]) -> tuple[Tensor, ...]:
        """A condition (condition_size,) for each segment and node."""
        if not wanted:
            return ()
        heard = self._plan.heard.probabilities[[segment for segment, _ in wanted]]
        mask = np.zeros_like(heard)
        for row, source in zip(mask, wanted.values(), strict=True):
            row[list(source.node.classes)] = 1
        if not self._takes_all:
            mask *= heard >= self._plan.selection.threshold
        device = self._model.query_bank.device
        query = QueryOutput(clip_probabilities=torch.from_numpy(heard).to(device))
        return self._model.condition_from_mask(query, torch.from_numpy(mask).to(device)).unbind()
