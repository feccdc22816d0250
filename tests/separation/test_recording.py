"""Separation of whole recordings, with models whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from band_models import (
    CLASS_NAMES,
    RATE,
    TONES,
    AddsOne,
    KeepsBands,
    ReturnsItsInput,
    ScalesByCondition,
    band_model,
)
from numpy.typing import NDArray
from one_recording import SHORT, read, separated, smooth

from registry.errors import UserError
from uss_plugins.audio.overlap_add import fade_in
from uss_plugins.separation.queries import FixedConditions, classes_query, detected_query
from uss_plugins.separation.recording import (
    Settings,
    make_segmenter,
    separate_recording,
)

SEGMENT, OVERLAP = 1600, 320


def tone(frequency: float, start: float, end: float, seconds: float) -> NDArray[np.float64]:
    """A tone of amplitude 0.5 between two times, (samples,)."""
    times = np.arange(round(seconds * RATE)) / RATE
    return 0.5 * np.sin(2 * np.pi * frequency * times) * ((start <= times) & (times < end))


def passed_through(
    tmp_path: Path, audio: NDArray[np.float64], rate: int, settings: Settings = SHORT
) -> NDArray[np.float64]:
    """What a separator that returns its input makes of a recording (32-bit float)."""
    soundfile.write(tmp_path / "in.wav", audio, rate, subtype="FLOAT")
    model = band_model(ReturnsItsInput())
    query = FixedConditions({"all": torch.ones(4)})
    made = separate_recording(model, tmp_path / "in.wav", query, tmp_path / "out", settings)
    info = soundfile.info(made.outputs[0].path)
    assert (info.samplerate, info.channels, info.frames) == (rate, audio.shape[1], len(audio))
    assert (made.samples, made.channels, made.sample_rate) == (len(audio), audio.shape[1], rate)
    return read(made.outputs[0].path)


@pytest.mark.parametrize("overlap", [0.0, 0.02, 0.05])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("samples", [1, 2, 1599, 1600, 1601, 2880, 2881, 70001])
def test_at_the_models_rate_the_input_comes_back_bit_for_bit(
    tmp_path: Path, samples: int, channels: int, overlap: float
) -> None:
    audio = np.random.default_rng(6).uniform(-1, 1, (samples, channels)).astype(np.float32)
    settings = Settings(segment_seconds=0.1, overlap_seconds=overlap, batch_size=3)
    np.testing.assert_array_equal(passed_through(tmp_path, audio, RATE, settings), audio)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize(("samples", "channels"), [(9001, 1), (9001, 2), (66001, 5)])
def test_through_resampling_the_input_comes_back(
    tmp_path: Path, rate: int, samples: int, channels: int
) -> None:
    audio = smooth(samples, rate, channels)
    np.testing.assert_allclose(passed_through(tmp_path, audio, rate), audio, atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("samples", [1, 2, 3, 100])
def test_scraps_keep_their_length(tmp_path: Path, rate: int, samples: int) -> None:
    assert passed_through(tmp_path, np.full((samples, 2), 0.1), rate).shape == (samples, 2)


def test_a_constant_condition_gives_no_step_at_a_seam(tmp_path: Path) -> None:
    audio = smooth(20000)
    separator = ScalesByCondition()
    _, outputs = separated(tmp_path, audio, separator, classes="low hum", subtype="FLOAT")
    assert len(separator.shapes) > 10
    one_pass = separator(torch.from_numpy(audio.T)[None], torch.tensor([[1.0, 0, 0, 0]]))
    np.testing.assert_allclose(outputs["Low hum"].T, one_pass[0], atol=1e-7)


def test_each_class_gets_its_band_in_its_channels(tmp_path: Path) -> None:
    parts = [tone(frequency, 0, 1, 1) for frequency in TONES]
    audio = np.stack([parts[0] + parts[1], parts[1]], axis=1)
    _, outputs = separated(
        tmp_path, audio, KeepsBands(), classes="Middle, tone,LOW HUM,/m/high", subtype="FLOAT"
    )
    assert list(outputs) == ["Middle, tone", "Low hum", "High whistle"]
    np.testing.assert_allclose(outputs["Low hum"][:, 0], parts[0], atol=1e-6)
    np.testing.assert_allclose(outputs["Low hum"][:, 1], 0, atol=1e-6)
    np.testing.assert_allclose(outputs["Middle, tone"], np.stack([parts[1]] * 2, 1), atol=1e-6)


def test_detection_writes_what_is_heard_and_silence_before_it(tmp_path: Path) -> None:
    audio = tone(TONES[0], 0, 4, 4) + tone(TONES[2], 2, 2.5, 4)
    made, outputs = separated(tmp_path, audio[:, np.newaxis], KeepsBands())
    assert list(outputs) == ["Low hum", "High whistle"]
    assert made.probabilities["High whistle"] == pytest.approx(0.5 / np.sqrt(2), abs=0.01)
    whistle = outputs["High whistle"][:, 0]
    assert whistle.shape == audio.shape
    np.testing.assert_array_equal(whistle[: 2 * RATE - SEGMENT], 0)
    np.testing.assert_array_equal(whistle[round(2.5 * RATE) + SEGMENT :], 0)
    inside = slice(round(2.1 * RATE), round(2.4 * RATE))
    np.testing.assert_allclose(whistle[inside], tone(TONES[2], 2, 2.5, 4)[inside], atol=1e-4)


def test_nothing_heard_gives_no_file(tmp_path: Path) -> None:
    made, outputs = separated(tmp_path, smooth(5000), KeepsBands(), threshold=0.9)
    assert outputs == {}
    assert made.samples == 5000
    assert not (tmp_path / "out").exists()


def test_a_threshold_silences_an_asked_class_with_faded_edges(tmp_path: Path) -> None:
    audio = tone(TONES[0], 0, 1, 2)[:, np.newaxis]
    audio[RATE:] = 0.01
    _, outputs = separated(
        tmp_path, audio, ReturnsItsInput(), classes="Low hum", threshold=0.2, subtype="FLOAT"
    )
    output = outputs["Low hum"][:, 0]
    # The last loud segment starts at the 12th hop, 15360; the next, at 16640, is under the threshold.
    np.testing.assert_array_equal(output[:16640], np.float32(audio[:16640, 0]))
    np.testing.assert_allclose(output[16640:16960], 0.01 * (1 - fade_in(320)), atol=1e-7)
    np.testing.assert_array_equal(output[16960:], 0)


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_silence_gives_silence_from_any_model(tmp_path: Path, rate: int) -> None:
    settings = Settings(segment_seconds=0.1, overlap_seconds=0.02, residual=True)
    separator = AddsOne()
    _, outputs = separated(
        tmp_path,
        np.zeros((30001, 2)),
        separator,
        classes="Low hum,High whistle",
        settings=settings,
        rate=rate,
    )
    assert list(outputs) == ["Low hum", "High whistle", "residual"]
    assert all(output.shape == (30001, 2) and not output.any() for output in outputs.values())
    assert separator.shapes == []


def test_a_silent_channel_stays_silent(tmp_path: Path) -> None:
    audio = np.hstack((smooth(5000), np.zeros((5000, 1))))
    _, outputs = separated(tmp_path, audio, AddsOne(), classes="Low hum")
    assert outputs["Low hum"][:, 0].any()
    assert not outputs["Low hum"][:, 1].any()


@pytest.mark.parametrize("classes", ["Low hum,High whistle", None])
@pytest.mark.parametrize("rate", [RATE, 44100, 8000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_parts_and_residual_add_up_to_the_recording(
    tmp_path: Path, subtype: str, rate: int, classes: str | None
) -> None:
    random = np.random.default_rng(7)
    audio = 0.1 * random.uniform(-1, 1, (30001, 2))
    # Something that is detected only late.
    audio[20000:] += 0.4 * np.sin(2 * np.pi * TONES[2] * np.arange(10001)[:, np.newaxis] / rate)
    settings = Settings(segment_seconds=0.1, overlap_seconds=0.02, residual=True)
    _, outputs = separated(
        tmp_path,
        audio,
        KeepsBands(),
        classes=classes,
        settings=settings,
        rate=rate,
        subtype=subtype,
    )
    assert set(outputs) >= {"High whistle", "residual"}
    total = np.sum(list(outputs.values()), axis=0)
    tolerance = {"PCM_16": 0, "PCM_24": 0, "PCM_32": 0, "FLOAT": 1e-7}[subtype]
    np.testing.assert_allclose(total, read(tmp_path / "in.wav"), rtol=0, atol=tolerance)
    assert outputs["residual"].any()


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("model_channels", [1, 2])
def test_any_channels_for_any_model(tmp_path: Path, channels: int, model_channels: int) -> None:
    audio = smooth(3000, channels=channels)
    separator = ReturnsItsInput(model_channels)
    _, outputs = separated(tmp_path, audio, separator, classes="Low hum", subtype="FLOAT")
    np.testing.assert_array_equal(outputs["Low hum"], np.float32(audio))
    assert {shape[1] for shape in separator.shapes} == {model_channels}


def test_the_condition_is_heard_in_the_mid_signal_for_all_channels(tmp_path: Path) -> None:
    audio = np.stack([tone(TONES[0], 0, 0.1, 0.1), tone(TONES[1], 0, 0.1, 0.1)], axis=1)
    soundfile.write(tmp_path / "in.wav", audio, RATE, subtype="FLOAT")
    separator = ReturnsItsInput()
    model = band_model(separator)
    query = classes_query(model, "Low hum", condition="mask")
    separate_recording(model, tmp_path / "in.wav", query, tmp_path / "out", SHORT)
    (heard,) = model.query_net.heard  # type: ignore[union-attr]
    np.testing.assert_allclose(heard[0], audio.mean(1), atol=1e-7)
    expected = torch.tensor([0.25 / np.sqrt(2), 0, 0, 0], dtype=torch.float32)
    for condition in separator.conditions:
        torch.testing.assert_close(condition, expected, atol=1e-3, rtol=0)
    assert len(separator.conditions) == 2


def test_opposite_channels_are_heard(tmp_path: Path) -> None:
    left = tone(TONES[1], 0, 0.5, 0.5)
    _, outputs = separated(tmp_path, np.stack([left, -left], axis=1), KeepsBands())
    assert list(outputs) == ["Middle, tone"]


def test_batches_hold_several_segments_and_classes(tmp_path: Path) -> None:
    settings = Settings(segment_seconds=0.1, overlap_seconds=0.02, batch_size=4)
    one = separated(tmp_path, smooth(20000), KeepsBands(), classes="0,1,2")[1]
    separator = KeepsBands()
    four = separated(tmp_path, smooth(20000), separator, classes="0,1,2", settings=settings)[1]
    assert {shape[0] for shape in separator.shapes} <= {1, 2, 3, 4}
    assert max(separator.shapes)[0] == 4
    for name, output in one.items():
        np.testing.assert_array_equal(four[name], output)


def test_a_query_net_without_tags_works_with_the_bank(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", smooth(5000), RATE)
    model = band_model(ReturnsItsInput(), tags=False)
    query = classes_query(model, "Low hum")
    made = separate_recording(model, tmp_path / "in.wav", query, tmp_path / "out", SHORT)
    assert made.probabilities == {}
    with pytest.raises(UserError, match="tags no classes"):
        separate_recording(
            model, tmp_path / "in.wav", detected_query(model), tmp_path / "out", SHORT
        )


@pytest.mark.parametrize(
    "settings", [Settings(0.1, 0.06), Settings(0.1, -0.01), Settings(0, 0), Settings(1, 0, 0)]
)
def test_settings_that_do_not_fit(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(UserError):
        separated(tmp_path, smooth(100), ReturnsItsInput(), classes="0", settings=settings)


def test_without_an_overlap_the_last_segment_is_filled_with_zeros() -> None:
    segmenter = make_segmenter(Settings(segment_seconds=2, overlap_seconds=0), 10)
    recording = np.arange(1, 31, dtype=np.float32)[np.newaxis]
    first, last = [*segmenter.push(recording), *segmenter.finish()]
    np.testing.assert_array_equal(first.audio, recording[:, :20])
    np.testing.assert_array_equal(last.audio, np.pad(recording[:, 20:], ((0, 0), (0, 10))))
    assert (last.context_samples, last.padding_samples) == (0, 10)


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", smooth(100_000), RATE)
    model = band_model(ReturnsItsInput())
    told: list[tuple[int, int]] = []
    separate_recording(
        model,
        tmp_path / "in.wav",
        classes_query(model, CLASS_NAMES[0]),
        tmp_path / "out",
        progress=lambda *counts: told.append(counts),
    )
    assert told == [(65536, 100_000), (100_000, 100_000)]
