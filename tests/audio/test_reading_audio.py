"""Recordings are read whole and right in blocks of any size, or refused in one line that says why."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from uss_plugins.audio.files import AudioFileError, AudioReader

RATE = 8000


def noise(samples: int = 20000, channels: int = 2) -> NDArray[np.float64]:
    return np.random.default_rng(1).uniform(-0.5, 0.5, (samples, channels))


def read(path: Path, block_samples: int = 4096) -> NDArray[np.float32]:
    with AudioReader(path) as reader:
        return np.hstack(list(reader.blocks(block_samples)))


def cut(path: Path, keep: float) -> Path:
    whole = path.read_bytes()
    shorter = path.with_name(f"cut_{path.name}")
    shorter.write_bytes(whole[: int(len(whole) * keep)])
    return shorter


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_U8"),
        ("a.wav", "PCM_16"),
        ("a.wav", "PCM_24"),
        ("a.wav", "FLOAT"),
        ("a.rf64", "PCM_16"),
        ("a.aiff", "PCM_16"),
        ("a.flac", "PCM_24"),
        ("a.ogg", "VORBIS"),
        ("a.mp3", "MPEG_LAYER_III"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_blocks_join_to_the_file_as_soundfile_reads_it(
    tmp_path: Path, name: str, subtype: str, channels: int
) -> None:
    soundfile.write(tmp_path / name, noise(channels=channels), RATE, subtype=subtype)
    expected = soundfile.read(tmp_path / name, dtype="float32", always_2d=True)[0].T
    assert expected.shape == (channels, 20000)
    # The MP3 decoder's own rounding depends on how much it is asked for.
    tolerance = 1e-6 if name == "a.mp3" else 0
    for block_samples in (777, 20000, 65536):
        actual = read(tmp_path / name, block_samples)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def test_blocks_are_float32_in_order_and_of_the_size_asked_for(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(1000), RATE)
    with AudioReader(tmp_path / "a.wav") as reader:
        assert (reader.sample_rate, reader.channels, reader.samples) == (RATE, 2, 1000)
        blocks = list(reader.blocks(300))
    assert [block.shape for block in blocks] == [(2, 300), (2, 300), (2, 300), (2, 100)]
    assert all(block.dtype == np.float32 and block.flags.c_contiguous for block in blocks)


def test_float64_blocks_hold_32_bit_integers_exactly(tmp_path: Path) -> None:
    integers = np.array([[2**31 - 1], [-(2**31)], [1], [123456789]], np.int32)
    soundfile.write(tmp_path / "a.wav", integers, RATE, subtype="PCM_32")
    with AudioReader(tmp_path / "a.wav") as reader:
        block = next(reader.blocks(dtype="float64"))
    np.testing.assert_array_equal(block.T * 2.0**31, integers)


def refusal(path: Path) -> str:
    with pytest.raises(AudioFileError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.wav")


def test_directory(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    assert "a directory" in refusal(tmp_path / "folder.wav")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    assert "empty (0 bytes)" in refusal(tmp_path / "empty.wav")


def test_no_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1)), RATE)
    assert "0 samples" in refusal(tmp_path / "none.wav")


@pytest.mark.parametrize("name", ["text.wav", "text.mp3", "text.raw", "text"])
def test_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("These are words.\n" * 200)
    assert "not audio" in refusal(tmp_path / name)


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert "cannot be read" in refusal(tmp_path / "a" / "b.wav")


@pytest.mark.parametrize("keep", [0.5, 0.999])
@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_16"),
        ("a.wav", "FLOAT"),
        ("a.rf64", "PCM_16"),
        ("a.aiff", "PCM_16"),
        ("a.flac", "PCM_16"),
        ("a.flac", "PCM_24"),
        ("a.ogg", "VORBIS"),
    ],
)
def test_truncated(tmp_path: Path, name: str, subtype: str, keep: float) -> None:
    soundfile.write(tmp_path / name, noise(), RATE, subtype=subtype)
    assert "truncated" in refusal(cut(tmp_path / name, keep))


def test_truncated_mp3(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", noise(80000), RATE)
    assert "truncated" in refusal(cut(tmp_path / "a.mp3", 0.5))


def test_ogg_that_ends_between_pages(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", noise(80000), RATE)
    whole = (tmp_path / "a.ogg").read_bytes()
    (tmp_path / "b.ogg").write_bytes(whole[: whole.rfind(b"OggS")])
    assert "truncated" in refusal(tmp_path / "b.ogg")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_streamed_wav_without_its_size_is_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1000), RATE, subtype="PCM_16")
    expected = read(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"data")
    data[place + 4 : place + 8] = struct.pack("<I", size)
    path.write_bytes(data)
    np.testing.assert_array_equal(read(path), expected)


def test_a_flac_without_its_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(1000), RATE)
    data = bytearray(path.read_bytes())
    # The stream information's 36-bit count of samples (RFC 9639, section 8.2): its last 4 bits and 4 bytes.
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert "how long" in refusal(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path: Path, value: float) -> None:
    audio = noise(10000)
    audio[6000, 1] = value
    soundfile.write(tmp_path / "a.wav", audio, RATE, subtype="FLOAT")
    assert "first at 0.750 s" in refusal(tmp_path / "a.wav")
