"""Estimates over full scale: clipped, scaled or kept, and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from band_models import RATE, Recorder, ReturnsItsInput, band_model
from one_recording import read, separated, smooth

from uss_plugins.audio.formats import PeakChoice
from uss_plugins.separation.queries import classes_query
from uss_plugins.separation.recording import Settings, separate_recording
from uss_plugins.separation.report import warnings


class Louder(Recorder):
    """The estimate is three times the mixture."""

    def estimate(self, mixture: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        return 3 * mixture


def test_peaks_are_clipped_and_counted(tmp_path: Path) -> None:
    made, outputs = separated(tmp_path, smooth(5000), Louder(), classes="0")
    expected = np.clip(3 * read(tmp_path / "in.wav"), -1, 1 - 2**-15)
    np.testing.assert_allclose(outputs["Low hum"], expected, atol=2**-15)
    assert made.outputs[0].peak == pytest.approx(1.5, abs=0.01)
    assert made.outputs[0].clipped_samples > 100
    assert made.gain == 1


def test_peaks_scale_all_parts_alike(tmp_path: Path) -> None:
    settings = Settings(0.1, 0.02, residual=True, peak="scale")
    made, outputs = separated(tmp_path, smooth(5000), Louder(), classes="0", settings=settings)
    recording = read(tmp_path / "in.wav")
    assert made.gain == pytest.approx(1 / 3 / recording.max(), abs=1e-2)
    np.testing.assert_allclose(outputs["Low hum"], 3 * made.gain * recording, atol=2**-14)
    total = outputs["Low hum"] + outputs["residual"]
    np.testing.assert_allclose(total, made.gain * recording, atol=2**-14)
    assert made.outputs[0].path.suffix == ".flac"
    assert all(output.clipped_samples == 0 for output in made.outputs)


@pytest.mark.parametrize("subtype", ["VORBIS", "MPEG_LAYER_III"])
def test_no_lossy_format_clips_in_silence(tmp_path: Path, subtype: str) -> None:
    format_ = {"VORBIS": "OGG", "MPEG_LAYER_III": "MP3"}[subtype]
    soundfile.write(tmp_path / "in.wav", smooth(9000), RATE, subtype=subtype, format=format_)
    model = band_model(Louder())
    for peak in ("clip", "scale"):
        made = separate_recording(
            model,
            tmp_path / "in.wav",
            classes_query(model, "0"),
            tmp_path / peak,
            Settings(0.1, 0.02, format="same", peak=peak),  # type: ignore[arg-type]
        )
        (output,) = made.outputs
        assert (output.clipped_samples > 100) == (peak == "clip")
        assert (made.gain < 1) == (peak == "scale")
        assert output.peak == pytest.approx(1.5 if peak == "clip" else 1, abs=0.1)
        assert np.abs(read(output.path)).max() == pytest.approx(1, abs=0.2)  # as far as it is coded


def test_peaks_are_kept_in_float(tmp_path: Path) -> None:
    settings = Settings(0.1, 0.02, peak="float")
    made, outputs = separated(tmp_path, smooth(5000), Louder(), classes="0", settings=settings)
    np.testing.assert_allclose(outputs["Low hum"], 3 * read(tmp_path / "in.wav"), atol=1e-6)
    assert made.outputs[0].path.name == "Low hum.wav"


def test_floating_point_is_scaled_too(tmp_path: Path) -> None:
    settings = Settings(0.1, 0.02, peak="scale")
    made, outputs = separated(
        tmp_path, smooth(5000), Louder(), classes="0", settings=settings, subtype="FLOAT"
    )
    assert np.abs(outputs["Low hum"]).max() == 1
    expected = 3 * made.gain * read(tmp_path / "in.wav")
    np.testing.assert_allclose(outputs["Low hum"], expected, atol=1e-6)
    (line,) = warnings(made)
    assert f"multiplied by {made.gain:.4f}" in line


@pytest.mark.parametrize(("subtype", "peak"), [("PCM_16", "float"), ("FLOAT", "clip")])
def test_a_peak_that_floating_point_keeps_is_said(
    tmp_path: Path, subtype: str, peak: PeakChoice
) -> None:
    made, outputs = separated(
        tmp_path,
        smooth(5000),
        Louder(),
        classes="0,1",
        settings=Settings(0.1, 0.02, peak=peak),
        subtype=subtype,
    )
    assert np.abs(outputs["Low hum"]).max() == pytest.approx(1.5, abs=0.01)
    assert (made.outputs[0].clipped_samples, made.gain) == (0, 1)
    lines = warnings(made)
    assert [line.partition(": ")[0] for line in lines] == [str(one.path) for one in made.outputs]
    assert all(
        "peak of 1.50 is over full scale, which floating point keeps" in one for one in lines
    )


def test_scaling_leaves_alone_what_fits(tmp_path: Path) -> None:
    audio = smooth(5000)
    audio[7] = -1
    settings = Settings(0.1, 0.02, peak="scale")
    made, outputs = separated(tmp_path, audio, ReturnsItsInput(), classes="0", settings=settings)
    assert made.gain == 1
    assert warnings(made) == []
    assert outputs["Low hum"].min() == -1
    np.testing.assert_array_equal(outputs["Low hum"], read(tmp_path / "in.wav"))
