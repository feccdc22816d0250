"""Several classes of a recording of several channels share each channel's transform."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from band_models import CLASS_NAMES, RATE, band_model
from numpy.typing import NDArray

from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.queries import classes_query
from uss_plugins.separation.recording import Settings, separate_recording
from uss_plugins.separators.resunet import ResUNet, resunet_small

CHANNELS, SEGMENTS = 2, 3
SEGMENT_SAMPLES, OVERLAP_SAMPLES = 1600, 160


def small_net() -> ResUNet:
    torch.manual_seed(0)
    return resunet_small(
        condition_size=len(CLASS_NAMES),
        sample_rate=RATE,
        stage_channels=(4, 8),
        window_size=64,
        hop_size=32,
    )


def separated(
    model: UniversalSeparator, path: Path, classes: str, batch_size: int
) -> dict[str, NDArray[np.float64]]:
    settings = Settings(
        SEGMENT_SAMPLES / RATE, OVERLAP_SAMPLES / RATE, batch_size=batch_size, peak="float"
    )
    query = classes_query(model, classes)
    folder = path.parent / f"{classes} {batch_size}"
    outputs = separate_recording(model, path, query, folder, settings).outputs
    return {one.name: np.asarray(soundfile.read(one.path)[0]) for one in outputs}


@pytest.mark.parametrize("batch_size", [1, 4])
def test_each_channel_of_a_segment_is_transformed_once(tmp_path: Path, batch_size: int) -> None:
    samples = SEGMENTS * (SEGMENT_SAMPLES - OVERLAP_SAMPLES) + OVERLAP_SAMPLES
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, (samples, CHANNELS))
    soundfile.write(tmp_path / "in.wav", audio, RATE, subtype="FLOAT")
    net = small_net()
    model = band_model(net)  # type: ignore[arg-type]
    assert model.prepare()
    transformed: list[int] = []
    net.stft.register_forward_hook(lambda _, inputs, __: transformed.append(len(inputs[0])))
    together = separated(model, tmp_path / "in.wav", "0,1,2", batch_size)
    assert sum(transformed) == CHANNELS * SEGMENTS
    assert len(together) == 3
    for index, (name, output) in enumerate(together.items()):
        alone = separated(model, tmp_path / "in.wav", str(index), batch_size)
        np.testing.assert_array_equal(alone[name], output)
    assert not np.array_equal(together["Low hum"], together["High whistle"])
