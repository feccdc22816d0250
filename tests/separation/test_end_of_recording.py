"""Recordings that are not whole segments long, at the default settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from band_models import RATE, KeepsBands, ReturnsItsInput, ScalesByCondition, band_model
from ontology_models import AMBULANCE, SPEECH, VIOLIN, ontology_model, tones, write

from uss_plugins.separation.hierarchy.plan import Selection
from uss_plugins.separation.hierarchy.walk import separate_hierarchy
from uss_plugins.separation.queries import FixedConditions
from uss_plugins.separation.recording import Settings, separate_recording

WHOLE_SECONDS = 10.23


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize(("seconds", "count"), [(4, 1), (10.23, 1), (10.24, 2), (19, 2), (32, 4)])
def test_by_default_all_segments_are_of_one_length(
    tmp_path: Path, seconds: float, count: int, batch_size: int
) -> None:
    audio = np.random.default_rng(4).uniform(-1, 1, round(seconds * RATE)).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", audio, RATE, subtype="FLOAT")
    separator = ReturnsItsInput()
    made = separate_recording(
        band_model(separator),
        tmp_path / "in.wav",
        FixedConditions({"all": torch.ones(4)}),
        tmp_path / "out",
        Settings(batch_size=batch_size),
    )
    np.testing.assert_array_equal(soundfile.read(made.outputs[0].path)[0], audio)
    lengths = [samples for items, _, samples in separator.shapes for _ in range(items)]
    assert lengths == [min(len(audio), round(WHOLE_SECONDS * RATE))] * count


@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_stereo_file_of_another_rate_and_what_is_left_of_it_add_up(
    tmp_path: Path, batch_size: int
) -> None:
    rate, seconds = 44100, 14.2
    times = np.arange(round(seconds * rate)) / rate
    fades = 0.5 * np.sin(np.pi * times / seconds) ** 2
    audio = np.stack([fades * np.sin(2 * np.pi * pitch * times) for pitch in (300, 411)], axis=1)
    soundfile.write(tmp_path / "in.wav", audio, rate, subtype="FLOAT")
    made = separate_recording(
        band_model(ScalesByCondition()),
        tmp_path / "in.wav",
        FixedConditions({"part": torch.tensor([0.3, 0, 0, 0])}),
        tmp_path / "out",
        Settings(batch_size=batch_size, residual=True),
    )
    part, residual = (soundfile.read(output.path)[0] for output in made.outputs)
    assert part.shape == residual.shape == audio.shape
    np.testing.assert_allclose(part, 0.3 * audio, atol=1e-4)
    np.testing.assert_allclose(part + residual, audio, atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_consistent_nodes_add_up_to_the_end(tmp_path: Path, batch_size: int) -> None:
    seconds = 12.0
    parts = ((SPEECH, 0.5, 0.0, seconds), (AMBULANCE, 0.4, 0.0, seconds), (VIOLIN, 0.05, 0.0, 11.9))
    path = write(tmp_path / "street.wav", tones(*parts, seconds=seconds))
    out = tmp_path / "out"
    settings = Settings(WHOLE_SECONDS, batch_size=batch_size, residual=True, consistent=True)
    model = ontology_model(KeepsBands())
    tree = separate_hierarchy(model, path, Selection(levels=(1, 2)), out, settings).tree
    audio = {
        node["name"]: soundfile.read(out / node["file"])[0]
        for node in tree["nodes"]
        if node["file"]
    }
    recording = soundfile.read(path)[0]
    for level in (1, 2):
        own = [audio[node["name"]] for node in tree["nodes"] if node["level"] == level]
        residual = soundfile.read(out / f"level={level}" / "residual.flac")[0]
        np.testing.assert_array_equal(sum(own) + residual, recording)
    for parent, children in (
        ("Human sounds", ["Human voice"]),
        ("Sounds of things", ["Alarm", "Vehicle"]),
    ):
        difference = audio[parent] - sum(audio[child] for child in children)
        assert np.square(difference).sum() < 1e-4 * np.square(audio[parent]).sum()
