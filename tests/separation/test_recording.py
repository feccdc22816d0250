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
    Recorder,
    ReturnsItsInput,
    ScalesByCondition,
    band_model,
)
from numpy.typing import NDArray

from registry.errors import UserError
from uss_plugins.audio.files import AudioFileError
from uss_plugins.audio.formats import PeakChoice
from uss_plugins.audio.overlap_add import fade_in
from uss_plugins.separation.queries import FixedConditions, classes_query, detected_query
from uss_plugins.separation.recording import (
    Separation,
    Settings,
    make_segmenter,
    separate_recording,
)
from uss_plugins.separation.report import warnings

SHORT = Settings(segment_seconds=0.1, overlap_seconds=0.02)
SEGMENT, OVERLAP = 1600, 320


def smooth(samples: int, rate: int = RATE, channels: int = 1) -> NDArray[np.float64]:
    """Tones that differ by channel and fade in and out, (samples, channels)."""
    times = np.arange(samples)[:, np.newaxis] / rate
    tones = np.sin(2 * np.pi * (300 + 111 * np.arange(channels)) * times)
    return np.asarray(0.5 * np.hanning(samples)[:, np.newaxis] ** 2 * tones)


def tone(frequency: float, start: float, end: float, seconds: float) -> NDArray[np.float64]:
    """A tone of amplitude 0.5 between two times, (samples,)."""
    times = np.arange(round(seconds * RATE)) / RATE
    return 0.5 * np.sin(2 * np.pi * frequency * times) * ((start <= times) & (times < end))


def read(path: Path) -> NDArray[np.float64]:
    return np.asarray(soundfile.read(path, always_2d=True)[0])


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


def separated(
    tmp_path: Path,
    audio: NDArray[np.float64],
    separator: Recorder,
    *,
    classes: str | None = None,
    threshold: float | None = None,
    settings: Settings = SHORT,
    rate: int = RATE,
    subtype: str = "PCM_16",
) -> tuple[Separation, dict[str, NDArray[np.float64]]]:
    soundfile.write(tmp_path / "in.wav", audio, rate, subtype=subtype)
    model = band_model(separator)
    query = (
        classes_query(model, classes, threshold=threshold)
        if classes
        else detected_query(model, threshold=threshold)
    )
    made = separate_recording(model, tmp_path / "in.wav", query, tmp_path / "out", settings)
    return made, {output.name: read(output.path) for output in made.outputs}


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


class Fails(Recorder):
    """Works twice, and then breaks as told."""

    def __init__(self, error: BaseException | None) -> None:
        super().__init__()
        self.error = error

    def estimate(self, mixture: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        if len(self.shapes) <= 2:
            return mixture
        if self.error:
            raise self.error
        return mixture * torch.nan


@pytest.mark.parametrize("peak", ["clip", "scale"])
@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt("stop")])
def test_an_exception_in_the_middle_leaves_nothing(
    tmp_path: Path, error: BaseException, peak: str
) -> None:
    settings = Settings(0.1, 0.02, residual=True, peak=peak)  # type: ignore[arg-type]
    with pytest.raises(type(error), match="stop"):
        separated(tmp_path, smooth(20000), Fails(error), classes="0,1", settings=settings)
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


def test_an_exception_leaves_an_earlier_result(tmp_path: Path) -> None:
    separated(tmp_path, smooth(20000), ReturnsItsInput(), classes="0")
    before = (tmp_path / "out" / "Low hum.flac").read_bytes()
    with pytest.raises(RuntimeError, match="stop"):
        separated(tmp_path, smooth(9000), Fails(RuntimeError("stop")), classes="0")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["Low hum.flac"]
    assert (tmp_path / "out" / "Low hum.flac").read_bytes() == before


def test_a_model_that_diverged_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not finite"):
        separated(tmp_path, smooth(20000), Fails(None), classes="0")
    assert not (tmp_path / "out").exists()


def test_a_file_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    soundfile.write(tmp_path / "a.flac", random.uniform(-1, 1, (200_000, 1)), RATE)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    model = band_model(ReturnsItsInput())
    query = classes_query(model, "0")
    with pytest.raises(AudioFileError, match="truncated"):
        separate_recording(model, tmp_path / "a.flac", query, tmp_path / "out", SHORT)
    assert [path.name for path in tmp_path.iterdir()] == ["a.flac"]


def test_an_output_never_replaces_its_own_input(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "Low hum.flac"
    soundfile.write(path, smooth(5000), RATE)
    model = band_model(ReturnsItsInput())
    before = path.read_bytes()
    with pytest.raises(UserError, match="overwrite its own input"):
        separate_recording(model, path, classes_query(model, "0"), path.parent, SHORT)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


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
