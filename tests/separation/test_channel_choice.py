"""One condition for all channels, or one for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from band_models import RATE, TONES, KeepsBands, ReturnsItsInput, ScalesByCondition, band_model
from numpy.typing import NDArray

from uss_plugins.separation.channels import listened_groups
from uss_plugins.separation.queries import classes_query, detected_query
from uss_plugins.separation.recording import Settings, separate_recording


def tone(index: int, seconds: float = 0.5) -> NDArray[np.float64]:
    times = np.arange(round(seconds * RATE)) / RATE
    return 0.5 * np.sin(2 * np.pi * TONES[index] * times)


def settings(channels: str, **more: object) -> Settings:
    return Settings(0.1, 0.02, channels=channels, **more)  # type: ignore[arg-type]


def test_groups() -> None:
    assert listened_groups("shared", 5, 2) == [slice(0, 5)]
    assert listened_groups("independent", 5, 2) == [slice(0, 2), slice(2, 4), slice(4, 6)]


def test_each_channel_is_heard_for_itself(tmp_path: Path) -> None:
    audio = np.stack([tone(0), tone(1), np.zeros(RATE // 2)], axis=1)
    soundfile.write(tmp_path / "in.wav", audio, RATE, subtype="FLOAT")
    separator = ScalesByCondition()
    model = band_model(separator)
    query = classes_query(model, "Low hum", condition="mask")
    made = separate_recording(
        model, tmp_path / "in.wav", query, tmp_path / "out", settings("independent")
    )
    # The silent channel is not listened to, and the one without the class is told that nothing is wanted.
    left = torch.tensor([0.5 / np.sqrt(2), 0, 0, 0], dtype=torch.float32)
    for index, condition in enumerate(separator.conditions):
        expected = left if index % 2 == 0 else torch.zeros(4)
        torch.testing.assert_close(condition, expected, atol=0.01, rtol=0)
    output = soundfile.read(made.outputs[0].path)[0]
    np.testing.assert_allclose(output[:, 0], audio[:, 0] * 0.5 / np.sqrt(2), atol=0.01)
    np.testing.assert_allclose(output[:, 1:], 0, atol=0.01)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_what_is_heard_in_one_channel_sounds_in_that_one_only(
    tmp_path: Path, batch_size: int
) -> None:
    audio = np.stack([tone(0) + tone(1), tone(1) + tone(2)], axis=1)
    soundfile.write(tmp_path / "in.wav", audio, RATE, subtype="FLOAT")
    model = band_model(KeepsBands())
    query = detected_query(model, threshold=0.3)
    made = separate_recording(
        model,
        tmp_path / "in.wav",
        query,
        tmp_path / "out",
        settings("independent", residual=True, batch_size=batch_size),
    )
    files = {one.name: soundfile.read(one.path)[0] for one in made.outputs}
    assert set(files) == {"Low hum", "Middle, tone", "High whistle", "residual"}
    nothing = np.zeros(RATE // 2)
    for name, parts in {
        "Low hum": (tone(0), nothing),
        "Middle, tone": (tone(1), tone(1)),
        "High whistle": (nothing, tone(2)),
    }.items():
        np.testing.assert_allclose(files[name], np.stack(parts, axis=1), atol=1e-5)
    np.testing.assert_array_equal(files["Low hum"][:, 1], 0)
    np.testing.assert_allclose(sum(files.values()), audio, atol=1e-6)


@pytest.mark.parametrize("channels", ["shared", "independent"])
@pytest.mark.parametrize("model_channels", [1, 2])
def test_the_input_comes_back_with_either(
    tmp_path: Path, channels: str, model_channels: int
) -> None:
    audio = np.random.default_rng(5).uniform(-1, 1, (9001, 3)).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", audio, RATE, subtype="FLOAT")
    model = band_model(ReturnsItsInput(model_channels))
    query = classes_query(model, "Low hum")
    made = separate_recording(
        model, tmp_path / "in.wav", query, tmp_path / "out", settings(channels)
    )
    np.testing.assert_array_equal(soundfile.read(made.outputs[0].path)[0], audio)
