"""Every installed embedding strategy: the conditions of a batch of queries of 2 s, AudioSet's classes."""

from __future__ import annotations

import pytest
import torch
from installed_components import CLASS_COUNT, EMBEDDING_SIZE, Build
from measuring import Measure

from registry import ComponentSpec
from registry.contracts import QueryOutput

BATCH_SIZE, QUERY_SECONDS = 32, 2.0


@pytest.mark.benchmark(group="embedding forward")
def test_forward(embedding: ComponentSpec, build: Build, measure: Measure) -> None:
    strategy = build(embedding)
    probabilities = build.noise(BATCH_SIZE, CLASS_COUNT).abs().clamp(max=1)
    query = QueryOutput(probabilities, None, build.noise(BATCH_SIZE, EMBEDDING_SIZE))
    classes = torch.eye(CLASS_COUNT, device=build.device)[:BATCH_SIZE]
    with torch.inference_mode():
        measure(
            lambda: strategy(query, classes),
            embedding,
            networks=[strategy],
            audio_seconds=BATCH_SIZE * QUERY_SECONDS,
            settings={"batch_size": BATCH_SIZE, "condition_size": strategy.condition_size},
        )
