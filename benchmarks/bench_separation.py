"""Whole separation with every installed separator: one class of a recording, from file to file.

Reading, resampling, the query net, segments, cross-fades and writing included, at the default settings of
`uss-plugins separate` on that device: prepared for inference where the separator can be, in its default
precision, and as many segments at once.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch
from installed_components import Build
from measuring import Measure

from registry import ComponentSpec
from uss_plugins.cli.separate_options import CUDA_BATCH_SIZE
from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.query_nets.panns import cnn_small
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.precision import choose_precision
from uss_plugins.separation.queries import ClassConditions
from uss_plugins.separation.recording import Settings, separate_recording

FILE_RATE = 44100
CLASSES = tuple(f"class {number}" for number in range(24))


@pytest.mark.benchmark(group="whole separation, one class, file to file")
def test_separation(
    separator: ComponentSpec, build: Build, measure: Measure, audio_seconds: float, tmp_path: Path
) -> None:
    net = build(separator, condition_size=len(CLASSES))
    query_net, embedding = cnn_small(net.sample_rate, CLASSES), SoftEmbedding(len(CLASSES))
    model = UniversalSeparator(query_net, embedding, net).to(build.device).eval()
    precision = choose_precision("auto", build.device)
    prepared = model.prepare(precision)
    recording = tmp_path / "recording.wav"
    audio = build.noise(round(audio_seconds * FILE_RATE)).cpu().numpy()
    soundfile.write(recording, audio, FILE_RATE)
    conditions = ClassConditions(model, {"one": (0,)}, threshold=None, source="mask", always=True)
    used = precision if prepared else torch.float32
    settings = Settings(batch_size=CUDA_BATCH_SIZE if "cuda" in build.device else 1)
    measure(
        lambda: separate_recording(model, recording, conditions, tmp_path / "out", settings),
        separator,
        networks=[net],
        audio_seconds=len(audio) / FILE_RATE,
        settings={
            "precision": str(used).removeprefix("torch."),
            "prepared": prepared,
            "batch_size": settings.batch_size,
        },
    )
