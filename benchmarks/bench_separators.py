"""Every installed separator: one forward pass, one item, float32."""

from __future__ import annotations

import pytest
import torch
from installed_components import Build
from measuring import Measure

from registry import ComponentSpec


@pytest.mark.benchmark(group="separator forward")
def test_forward(
    separator: ComponentSpec, build: Build, measure: Measure, audio_seconds: float
) -> None:
    net = build(separator)
    samples = round(audio_seconds * net.sample_rate)
    mixture = build.noise(1, net.channels, samples)
    condition = build.noise(1, net.condition_size).abs()
    settings = {"sample_rate": net.sample_rate, "channels": net.channels}
    with torch.inference_mode():
        measure(
            lambda: net(mixture, condition),
            separator,
            networks=[net],
            audio_seconds=samples / net.sample_rate,
            settings=settings,
        )
