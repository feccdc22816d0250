"""MP3s are read to their end, whatever they tell of their length, or refused in one line that says why."""

from __future__ import annotations

import errno
import io
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from uss_plugins.audio import files
from uss_plugins.audio.files import AudioFileError, AudioReader
from uss_plugins.audio.mp3 import find_frames

RATE = 8000
FRAME_SAMPLES = {8000: 576, 44100: 1152}
DELAY_SAMPLES = 576 + 529  # LAME's and the decoder's, which only a tag tells


def loud_and_silent(rate: int = RATE, silent_first: bool = False) -> NDArray[np.float64]:
    """Two seconds of noise and four of silence: frames of very different sizes."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 2 * rate)
    parts = (noise, np.zeros(4 * rate))
    return np.concatenate(parts[::-1] if silent_first else parts)


def encoded(audio: NDArray[np.float64], rate: int = RATE) -> bytes:
    """A file with a variable bit rate and a Xing tag in its first frame."""
    file = io.BytesIO()
    soundfile.write(file, audio, rate, format="MP3", subtype="MPEG_LAYER_III")
    content = file.getvalue()
    assert b"Xing" in content[:40]
    return content


def untagged(content: bytes) -> bytes:
    """Without the first frame, of which the last bytes are zeros."""
    return content[content.index(content[:2], 200) :]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read(path: Path) -> NDArray[np.float64]:
    with AudioReader(path) as reader:
        audio = np.hstack(list(reader.blocks(dtype="float64")))[0]
        assert len(audio) == reader.samples
    return audio


@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize("silent_first", [False, True])
def test_without_a_tag_all_is_read(tmp_path: Path, rate: int, silent_first: bool) -> None:
    content = encoded(loud_and_silent(rate, silent_first), rate)
    expected = soundfile.read(io.BytesIO(content))[0]
    audio = read(write(tmp_path / "a.mp3", untagged(content)))
    assert len(audio) % FRAME_SAMPLES[rate] == 0
    assert 0 <= len(audio) - len(expected) - DELAY_SAMPLES < 2 * FRAME_SAMPLES[rate]
    np.testing.assert_allclose(audio[DELAY_SAMPLES:][: len(expected)], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", [b"Xing", b"Info"])
def test_with_a_tag_exactly_what_was_encoded_is_read(tmp_path: Path, name: bytes) -> None:
    content = encoded(loud_and_silent()).replace(b"Xing", name, 1)
    assert len(read(write(tmp_path / "a.mp3", content))) == 6 * RATE
    assert len(read(write(tmp_path / "b.mp3", content + b"TAG" + bytes(125)))) == 6 * RATE


@pytest.mark.parametrize(
    "between",
    [
        b"",
        b"TAG" + bytes(125),
        b"ID3\x03\0\0\0\0\x10\0" + bytes(2048),
        b"APETAGEX" * 100,
        b"APETAGEX, written by an ID3v2 editor, ID3 and more",
    ],
    ids=["nothing", "ID3v1", "ID3v2", "APE", "a text on ID3"],
)
@pytest.mark.parametrize("tagged", [False, True])
def test_joined_files_are_read_to_the_last(tmp_path: Path, tagged: bool, between: bytes) -> None:
    content = encoded(loud_and_silent())
    whole = soundfile.read(io.BytesIO(content))[0]
    one = content if tagged else untagged(content)
    audio = read(write(tmp_path / "a.mp3", one + between + one))
    half = len(read(write(tmp_path / "b.mp3", untagged(content))))
    second = half + tagged * FRAME_SAMPLES[RATE]  # a tag in between is a silent frame
    assert len(audio) == second + half
    skip = 2 * FRAME_SAMPLES[RATE]  # in the first frames the end of the first file still sounds
    for start in (DELAY_SAMPLES, second + DELAY_SAMPLES):
        part = audio[start : start + len(whole)]
        np.testing.assert_allclose(part[skip:], whole[skip:], rtol=0, atol=1e-5)


def test_what_follows_the_frames_that_a_tag_tells_is_let_be(tmp_path: Path) -> None:
    content = encoded(loud_and_silent())
    part = untagged(content)[:50]  # of a frame
    for tagged in (content, content.replace(b"LAME", b"none")):
        expected = soundfile.read(io.BytesIO(tagged))[0]
        audio = read(write(tmp_path / "a.mp3", tagged + part))
        np.testing.assert_allclose(audio[: len(expected)], expected, rtol=0, atol=1e-6)


def test_a_tag_that_tells_of_no_frames_is_none(tmp_path: Path) -> None:
    content = bytearray(encoded(loud_and_silent()))
    place = content.index(b"Xing") + 8
    content[place : place + 4] = bytes(4)
    audio = read(write(tmp_path / "a.mp3", bytes(content)))
    assert len(audio) >= len(loud_and_silent()) + DELAY_SAMPLES


def test_two_frames_before_a_tag_at_the_end_are_sound() -> None:
    frame = bytes.fromhex("fffb9000").ljust(417, b"\0")
    damage, tag = bytes(100), b"TAG" + bytes(125)
    found = find_frames(io.BytesIO(10 * frame + damage + 2 * frame + tag))
    assert found
    assert found.samples == 12 * 1152


def test_what_cannot_be_read_meanwhile_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: BinaryIO) -> None:
        opened.append(file)
        raise OSError(errno.EIO, "Input/output error")

    opened: list[BinaryIO] = []
    monkeypatch.setattr(files, "find_frames", fail)
    with pytest.raises(AudioFileError, match=r"a\.mp3: cannot be read \(Input/output error\)"):
        AudioReader(write(tmp_path / "a.mp3", encoded(loud_and_silent())))
    assert [file.closed for file in opened] == [True]


@pytest.mark.parametrize("channels", [1, 2])
def test_joined_files_that_differ_are_refused(tmp_path: Path, channels: int) -> None:
    other = np.tile(loud_and_silent()[:, None], channels)
    content = encoded(loud_and_silent()) + encoded(other, RATE if channels == 2 else 16000)
    with pytest.raises(AudioFileError, match=r"rate or channels change after 6\.\d+ s.*ffmpeg -i"):
        AudioReader(write(tmp_path / "a.mp3", content))


@pytest.mark.parametrize("tagged", [False, True])
def test_a_cut_file_is_refused_before_it_is_read(tmp_path: Path, tagged: bool) -> None:
    content = encoded(loud_and_silent())
    content = content if tagged else untagged(content)
    for lost_bytes in (10, len(content) // 2 + 1):
        with pytest.raises(AudioFileError, match="truncated or damaged after"):
            AudioReader(write(tmp_path / "a.mp3", content[:-lost_bytes]))


@pytest.mark.parametrize(
    ("header", "frame_bytes", "frame_samples"),
    [
        ("fffb9000", 417, 1152),  # 128 kbit/s at 44.1 kHz
        ("fffb9200", 418, 1152),  # with padding
        ("fffbe4c0", 960, 1152),  # 320 at 48, mono
        ("fff38000", 208, 576),  # 64 at 22.05
        ("ffe34800", 288, 576),  # 32 at 8
        ("fffd8000", 417, 1152),  # layer II, 128 at 44.1
        ("fff58000", 417, 1152),  # layer II, 64 at 22.05
        ("ffff9200", 316, 384),  # layer I, 288 at 44.1, with padding
    ],
)
def test_frames_of_all_kinds_are_counted(header: str, frame_bytes: int, frame_samples: int) -> None:
    frame = bytes.fromhex(header).ljust(frame_bytes, b"\0")
    found = find_frames(io.BytesIO(b"ID3\x04\0\0\0\0\x02\x01" + b"\xff" * 257 + 50 * frame))
    assert found
    assert (found.start, found.end) == (267, 267 + 50 * frame_bytes)
    assert (found.samples, found.promised_samples) == (50 * frame_samples, 0)
    assert (found.same_samples, found.cut) == (None, False)


def test_a_tag_that_counts_itself_is_not_taken_for_truncation(tmp_path: Path) -> None:
    content = bytearray(encoded(loud_and_silent()).replace(b"LAME", b"Xing"))
    place = content.index(b"Xing") + 8
    frames = struct.unpack(">I", content[place : place + 4])[0]
    content[place : place + 4] = struct.pack(">I", frames + 1)
    assert len(read(write(tmp_path / "a.mp3", bytes(content)))) == frames * FRAME_SAMPLES[RATE]


def test_a_vbri_tag_is_no_sound() -> None:
    frame = bytes.fromhex("fffb9000").ljust(417, b"\0")
    tag = frame[:36] + b"VBRI" + frame[40:]
    found = find_frames(io.BytesIO(tag + 50 * frame))
    assert found
    assert (found.start, found.samples) == (417, 50 * 1152)


def test_a_damaged_stretch_is_not_passed_over(tmp_path: Path) -> None:
    content = untagged(encoded(loud_and_silent()))
    middle = len(content) // 3
    content = content[:middle] + bytes(5000) + content[middle:]
    with (
        AudioReader(write(tmp_path / "a.mp3", content)) as reader,
        pytest.raises(AudioFileError, match="truncated or damaged after"),
    ):
        list(reader.blocks())


def test_noise_is_no_frames() -> None:
    noise = np.random.default_rng(1).integers(0, 256, 1 << 18).astype(np.uint8).tobytes()
    assert find_frames(io.BytesIO(noise)) is None
    assert find_frames(io.BytesIO(b"")) is None
