"""Every installed query net: what it hears in one item of audio, float32."""

from __future__ import annotations

import pytest
import torch
from installed_components import Build
from measuring import Measure

from registry import ComponentSpec


@pytest.mark.benchmark(group="query net forward")
def test_forward(
    query_net: ComponentSpec, build: Build, measure: Measure, audio_seconds: float
) -> None:
    net = build(query_net)
    samples = round(audio_seconds * net.sample_rate)
    audio = build.noise(1, samples)
    settings = {
        "sample_rate": net.sample_rate,
        "classes": len(net.class_names),
        "embedding_size": net.embedding_size,
    }
    with torch.inference_mode():
        measure(
            lambda: net(audio),
            query_net,
            networks=[net],
            audio_seconds=samples / net.sample_rate,
            settings=settings,
        )
