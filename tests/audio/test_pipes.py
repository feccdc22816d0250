"""WAV through pipes: what can be known of it, what is refused, and what comes out."""

from __future__ import annotations

import io
import os
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from uss_plugins.audio.files import AudioFileError, AudioReader
from uss_plugins.audio.formats import Encoding, choose_encoding
from uss_plugins.audio.pipes import PipeWriter

RATE = 22050
Pipe = Callable[[bytes], Path]


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    """A named pipe that some bytes come out of."""

    def make(content: bytes) -> Path:
        path = tmp_path / "pipe"
        os.mkfifo(path)

        def write() -> None:
            with suppress(BrokenPipeError):  # the reader has seen enough
                path.write_bytes(content)

        threading.Thread(target=write, daemon=True).start()
        return path

    return make


def noise(samples: int = 3001, channels: int = 2) -> NDArray[np.float64]:
    return np.random.default_rng(3).uniform(-1, 1, (channels, samples))


def encoded(subtype: str, format_: str = "WAV", size: int | None = None) -> bytes:
    """A file's bytes; `size` is what its header says of its samples, if not the truth."""
    file = io.BytesIO()
    soundfile.write(file, noise().T, RATE, subtype=subtype, format=format_)
    content = file.getvalue()
    if size is not None:
        at = content.index(b"data") + 4
        content = content[:at] + struct.pack("<I", size) + content[at + 4 :]
    return content


@pytest.mark.parametrize("size", [None, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "PCM_U8"])
def test_a_pipe_is_read_to_its_end(pipe: Pipe, subtype: str, size: int | None) -> None:
    with AudioReader(pipe(encoded(subtype, size=size))) as reader:
        assert (reader.sample_rate, reader.channels, reader.subtype) == (RATE, 2, subtype)
        assert reader.samples == (3001 if size is None else 0)
        audio = np.hstack(list(reader.blocks(1000, dtype="float64")))
    expected = soundfile.read(io.BytesIO(encoded(subtype)))[0].T
    np.testing.assert_array_equal(audio, expected)


def test_a_pipe_that_breaks_off_before_its_promised_end(pipe: Pipe) -> None:
    with (
        AudioReader(pipe(encoded("PCM_16")[:8000])) as reader,
        pytest.raises(AudioFileError, match=r"truncated or damaged after 0\.09\d s of 0\.136 s"),
    ):
        list(reader.blocks())


def test_nothing_in_a_pipe(pipe: Pipe) -> None:
    with pytest.raises(AudioFileError, match="from a pipe"):
        AudioReader(pipe(b""))


@pytest.mark.parametrize("format_", ["FLAC", "OGG", "MP3"])
def test_what_must_be_gone_back_in_is_refused(pipe: Pipe, format_: str) -> None:
    subtype = soundfile.default_subtype(format_)
    with pytest.raises(AudioFileError, match="from a pipe nothing else"):
        AudioReader(pipe(encoded(subtype, format_)))


def test_what_does_not_say_its_length_goes_into_a_file_that_may_get_long(pipe: Pipe) -> None:
    with AudioReader(pipe(encoded("PCM_16", size=0xFFFFFFFF))) as reader:
        assert choose_encoding(reader, "wav").format == "RF64"
        assert choose_encoding(reader).format == "FLAC"


@pytest.mark.parametrize("samples", [0, 3001])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_what_is_written_is_a_wav(subtype: str, channels: int, samples: int) -> None:
    stream = io.BytesIO()
    writer = PipeWriter(stream, RATE, channels, Encoding("WAV", subtype, ".wav"), samples)
    said = np.hstack([writer.write(one) for one in np.split(noise(3001, channels), [7, 9], axis=1)])
    writer.finish()
    writer.commit()
    header = stream.getvalue()[:44]
    if not samples:
        assert header[4:8] == header[40:44] == b"\xff\xff\xff\xff"
        content = stream.getvalue()
        known = struct.pack("<I", len(content) - 44)
        stream = io.BytesIO(content[:40] + known + content[44:])
    else:
        assert struct.unpack("<I", header[40:44]) == (len(stream.getvalue()) - 44,)
        assert struct.unpack("<I", header[4:8]) == (len(stream.getvalue()) - 8,)
    stream.seek(0)
    with soundfile.SoundFile(stream) as file:
        assert (file.samplerate, file.channels, file.subtype) == (RATE, channels, subtype)
        np.testing.assert_array_equal(file.read(always_2d=True).T, said)
    step = {"PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-31, "FLOAT": 2**-24}[subtype]
    np.testing.assert_allclose(said, noise(3001, channels), rtol=0, atol=step)


def test_what_is_over_full_scale_is_counted() -> None:
    writer = PipeWriter(io.BytesIO(), RATE, 1, Encoding("WAV", "PCM_16", ".wav"), 3)
    np.testing.assert_array_equal(writer.write(np.array([[2.0, 0.0, -3.0]])), [[1 - 2**-15, 0, -1]])
    assert (writer.peak, writer.over_samples, writer.clipped_samples) == (3.0, 2, 2)
    writer = PipeWriter(io.BytesIO(), RATE, 1, Encoding("WAV", "FLOAT", ".wav"), 3)
    np.testing.assert_array_equal(writer.write(np.array([[2.0, 0.0, -3.0]])), [[2, 0, -3]])
    assert (writer.peak, writer.over_samples, writer.clipped_samples) == (3.0, 2, 0)
