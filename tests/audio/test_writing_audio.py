"""What is written is what was meant, whole under its name or not there at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from registry.errors import UserError
from uss_plugins.audio.files import AudioFileError, AudioReader
from uss_plugins.audio.formats import (
    Encoding,
    FormatChoice,
    PeakChoice,
    choose_encoding,
    dequantise,
    quantise,
)
from uss_plugins.audio.writing import AudioWriter

RATE = 11025
PCM_16 = Encoding("WAV", "PCM_16", ".wav")


def noise(samples: int = 5000, channels: int = 2) -> NDArray[np.float64]:
    return np.random.default_rng(2).uniform(-1, 1, (channels, samples))


@pytest.mark.parametrize(
    ("format_", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "PCM_32"),
        ("WAV", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("FLAC", "PCM_24"),
        ("RF64", "PCM_16"),
    ],
)
def test_what_was_read_is_written_back_bit_for_bit(
    tmp_path: Path, format_: str, subtype: str
) -> None:
    audio = noise()
    audio[:, :4] = [[-1, 1, 0, 2**-15]]
    soundfile.write(tmp_path / "in", audio.T, RATE, subtype=subtype, format=format_)
    with (
        AudioReader(tmp_path / "in") as reader,
        AudioWriter(tmp_path / "out", RATE, 2, Encoding(format_, subtype, "")) as writer,
    ):
        for block in reader.blocks(1000, dtype="float64"):
            np.testing.assert_array_equal(writer.write(block), block)
    before, rate = soundfile.read(tmp_path / "in", dtype="float64")
    after, same_rate = soundfile.read(tmp_path / "out", dtype="float64")
    assert rate == same_rate == RATE
    np.testing.assert_array_equal(after, before)
    assert soundfile.info(tmp_path / "out").subtype == subtype


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_quantisation_rounds_to_nearest_and_counts_what_it_clips(bits: int) -> None:
    step = 2.0 ** (1 - bits)
    audio = np.array([0.0, 0.4 * step, 0.6 * step, -1.0, 1.0 - step, 1.0, -1.5, 7.0])
    integers, clipped = quantise(audio, bits)
    expected = [0, 0, step, -1.0, 1 - step, 1 - step, -1.0, 1 - step]
    np.testing.assert_array_equal(dequantise(integers), expected)
    assert clipped == 3


def test_a_reader_gets_what_write_says(tmp_path: Path) -> None:
    with AudioWriter(tmp_path / "a.flac", RATE, 2, Encoding("FLAC", "PCM_16", ".flac")) as writer:
        said = np.hstack([writer.write(block) for block in np.split(1.3 * noise(), 5, axis=1)])
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.flac")[0].T, said)
    assert 1.29 < writer.peak <= 1.3
    assert writer.clipped_samples == np.count_nonzero(np.abs(1.3 * noise()) > 1 - 2**-16)
    assert writer.over_samples == writer.clipped_samples


@pytest.mark.parametrize("draft", [False, True])
def test_floating_point_keeps_what_is_over_full_scale_and_counts_it(
    tmp_path: Path, draft: bool
) -> None:
    audio = np.array([[0.5, -1.0, 1.0, 1.5, -2.0]])
    encoding = Encoding("WAV", "FLOAT", ".wav")
    with AudioWriter(tmp_path / "a.wav", RATE, 1, encoding, draft=draft) as writer:
        np.testing.assert_array_equal(writer.write(audio), audio)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", always_2d=True)[0].T, audio)
    assert (writer.peak, writer.over_samples, writer.clipped_samples) == (2, 2, 0)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32"])
def test_a_draft_counts_what_its_format_would_clip(tmp_path: Path, subtype: str) -> None:
    step = 2.0 ** (1 - int(subtype[4:]))
    audio = np.array([[0.5, -1.0, 1 - step, 1.0, 1.25, -1.25]])
    encoding = Encoding("WAV", subtype, ".wav")
    writer = AudioWriter(tmp_path / "a.wav", RATE, 1, encoding, draft=True)
    writer.write(audio[:, :3] if subtype != "PCM_32" else audio[:, :2])  # as float32 can tell
    assert writer.over_samples == 0
    writer.write(audio[:, 3:])
    assert (writer.peak, writer.over_samples) == (1.25, 3)
    writer.commit(encoding.full_scale / 1.25)
    writer.discard()
    assert writer.clipped_samples == 0
    written = soundfile.read(tmp_path / "a.wav")[0]
    assert written.max() == encoding.full_scale


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with AudioWriter(tmp_path / "a.wav", RATE, 2, PCM_16) as writer:
            writer.write(noise())
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("old")
    with AudioWriter(tmp_path / "a.wav", RATE, 2, PCM_16) as writer:
        writer.write(noise())
        assert (tmp_path / "a.wav").read_text() == "old"
    assert soundfile.info(tmp_path / "a.wav").frames == 5000
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_file_that_somebody_took_away_is_an_error(tmp_path: Path) -> None:
    writer = AudioWriter(tmp_path / "a.wav", RATE, 2, PCM_16)
    writer.write(noise())
    (aside,) = tmp_path.iterdir()
    aside.unlink()
    with pytest.raises(AudioFileError, match="taken away"):
        writer.commit()
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_committing_again_and_discarding_afterwards_do_nothing(tmp_path: Path) -> None:
    writer = AudioWriter(tmp_path / "a.wav", RATE, 2, PCM_16)
    writer.write(noise())
    for end in (writer.commit, writer.commit, writer.discard):
        end()
        assert soundfile.info(tmp_path / "a.wav").frames == 5000


def test_a_draft_is_scaled_when_it_is_committed(tmp_path: Path) -> None:
    audio = 3 * noise()
    writer = AudioWriter(tmp_path / "a.wav", RATE, 2, PCM_16, draft=True)
    with writer:
        writer.write(audio)
        writer.commit(0.25)
    written = soundfile.read(tmp_path / "a.wav")[0].T
    assert soundfile.info(tmp_path / "a.wav").subtype == "PCM_16"
    np.testing.assert_allclose(written, 0.25 * audio, atol=2**-15)
    assert writer.clipped_samples == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="cannot be written"):
        AudioWriter(tmp_path / "none" / "a.wav", RATE, 2, PCM_16)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    program = f"""
import resource, sys
from pathlib import Path
import numpy as np
from uss_plugins.audio.files import AudioFileError
from uss_plugins.audio.formats import Encoding
from uss_plugins.audio.writing import AudioWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with AudioWriter(Path({str(tmp_path)!r}) / "a.wav", 8000, 2, Encoding("WAV", "PCM_16", "")) as writer:
        for _ in range(100):
            writer.write(np.zeros((2, 10_000)))
except AudioFileError as error:
    sys.exit(f"refused: {{error}}")
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.stderr.startswith(f"refused: {tmp_path / 'a.wav'}: writing broke off"), run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_millions_of_samples_in_one_block(tmp_path: Path, subtype: str) -> None:
    if not soundfile.check_format("OGG", subtype):
        pytest.skip(f"libsndfile without {subtype}")
    path = tmp_path / "a.ogg"
    # In a process of its own, which a stack that overflows would kill.
    program = f"""
from pathlib import Path
import numpy as np
from uss_plugins.audio.formats import Encoding
from uss_plugins.audio.writing import AudioWriter
with AudioWriter(Path({str(path)!r}), 48000, 1, Encoding("OGG", {subtype!r}, ".ogg")) as writer:
    writer.write(np.zeros((1, 3_000_000), np.float32))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert soundfile.info(path).frames == 3_000_000


@pytest.mark.parametrize(
    ("format_", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_24"), ("RF64", "PCM_32")],
)
def test_a_long_block_is_written_as_short_ones_are(
    tmp_path: Path, format_: str, subtype: str
) -> None:
    audio = noise(200_001)
    with AudioWriter(tmp_path / "a", RATE, 2, Encoding(format_, subtype, "")) as writer:
        said = writer.write(audio)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a")[0].T, said)


def encoding_for(
    path: Path,
    format_: str,
    subtype: str,
    choice: FormatChoice = "auto",
    peak: PeakChoice = "clip",
    channels: int = 2,
) -> tuple[str, str, str]:
    soundfile.write(path, noise(100, channels).T, RATE, format=format_, subtype=subtype)
    with AudioReader(path) as reader:
        encoding = choose_encoding(reader, choice, peak)
    return encoding.format, encoding.subtype, encoding.suffix


@pytest.mark.parametrize(
    ("source", "choice", "peak", "expected"),
    [
        (("WAV", "PCM_16"), "auto", "clip", ("FLAC", "PCM_16", ".flac")),
        (("WAV", "PCM_U8"), "auto", "clip", ("FLAC", "PCM_16", ".flac")),
        (("FLAC", "PCM_24"), "auto", "clip", ("FLAC", "PCM_24", ".flac")),
        (("OGG", "VORBIS"), "auto", "clip", ("FLAC", "PCM_24", ".flac")),
        (("MP3", "MPEG_LAYER_III"), "auto", "clip", ("FLAC", "PCM_24", ".flac")),
        (("WAV", "PCM_32"), "auto", "clip", ("WAV", "PCM_32", ".wav")),
        (("WAV", "DOUBLE"), "auto", "clip", ("WAV", "FLOAT", ".wav")),
        (("WAV", "FLOAT"), "flac", "clip", ("FLAC", "PCM_24", ".flac")),
        (("FLAC", "PCM_16"), "wav", "clip", ("WAV", "PCM_16", ".wav")),
        (("FLAC", "PCM_16"), "auto", "float", ("WAV", "FLOAT", ".wav")),
        (("FLAC", "PCM_16"), "same", "clip", ("FLAC", "PCM_16", ".in")),
        (("OGG", "VORBIS"), "same", "clip", ("OGG", "VORBIS", ".in")),
        (("MP3", "MPEG_LAYER_III"), "same", "clip", ("MP3", "MPEG_LAYER_III", ".in")),
        (("AIFF", "PCM_24"), "same", "clip", ("AIFF", "PCM_24", ".in")),
    ],
)
def test_the_encoding_follows_the_recording(
    tmp_path: Path,
    source: tuple[str, str],
    choice: FormatChoice,
    peak: PeakChoice,
    expected: tuple[str, str, str],
) -> None:
    assert encoding_for(tmp_path / "a.in", *source, choice, peak) == expected


def test_more_channels_than_flac_has(tmp_path: Path) -> None:
    path = tmp_path / "a.in"
    assert encoding_for(path, "WAV", "PCM_16", channels=9) == ("WAV", "PCM_16", ".wav")
    with pytest.raises(UserError, match="at most 8 channels"):
        encoding_for(path, "WAV", "PCM_16", "flac", channels=9)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (65535, "FLAC"),
        (65537, "WAV"),
        (65540, "FLAC"),
        (70001, "WAV"),
        (96000, "FLAC"),
        (96001, "WAV"),
        (655350, "FLAC"),
        (655351, "WAV"),
        (655360, "WAV"),
    ],
)
def test_rates_that_flac_does_not_have(tmp_path: Path, rate: int, expected: str) -> None:
    soundfile.write(tmp_path / "a.wav", noise(100).T, rate)
    with AudioReader(tmp_path / "a.wav") as reader:
        encoding = choose_encoding(reader)
        with AudioWriter(tmp_path / "b", rate, 2, encoding) as writer:
            for block in reader.blocks():
                writer.write(block)
        written = soundfile.info(tmp_path / "b")
        assert (written.format, written.samplerate, written.frames) == (expected, rate, 100)
        if expected == "WAV":
            with pytest.raises(UserError, match=rf"not 2 and {rate} Hz; choose --format wav$"):
                choose_encoding(reader, "flac")


def test_a_rate_that_flac_has_only_where_it_is_not_streamable(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(100).T, 96000)
    data = bytearray(path.read_bytes())
    # The stream information's 20-bit rate (RFC 9639, section 8.2): two bytes and four bits.
    data[18:21] = (70001 << 4 | data[20] & 0xF).to_bytes(3, "big")
    path.write_bytes(data)
    with AudioReader(path) as reader:
        assert reader.sample_rate == 70001
        assert choose_encoding(reader).format == "WAV"
        with pytest.raises(UserError, match="choose --format wav"):
            choose_encoding(reader, "same")


@pytest.mark.parametrize("choice", ["flac", "same"])
def test_no_floating_point_in_flac(tmp_path: Path, choice: FormatChoice) -> None:
    with pytest.raises(UserError, match="--format wav"):
        encoding_for(tmp_path / "a.in", "FLAC", "PCM_16", choice, "float")
