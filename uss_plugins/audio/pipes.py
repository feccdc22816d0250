"""Recordings that come through a pipe, and go into one, as WAV.

What comes may be endless: its header then has no length. What goes gets the length that is known, or none,
said as ffmpeg and sox say it.
"""

from __future__ import annotations

import os
import select
import stat
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from uss_plugins.audio.errors import AudioFileError
from uss_plugins.audio.formats import Encoding, encode
from uss_plugins.audio.truncation import STREAMED_SIZE

STANDARD = Path("-")
"""Standard input where a recording is named, standard output where a folder is."""
PIPE_FORMATS = ("WAV", "WAVEX", "RF64", "AU")
"""What can be read without going back in it."""
SAMPLE_BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4}
"""At most; other encodings have fewer."""
PCM_TAG, FLOAT_TAG = 1, 3
UNKNOWN_SIZE = 0xFFFFFFFF


def is_pipe(path: Path) -> bool:
    """Whether a recording cannot be gone back in: standard input, unless it is a file, or a named pipe."""
    if path != STANDARD:
        return path.is_fifo()
    try:
        return not stat.S_ISREG(os.fstat(0).st_mode)
    except OSError:  # closed
        return True


def open_pipe(path: Path) -> int:
    """A descriptor of standard input or a named pipe, once there is something in it.

    A signal that is to end the process ends this wait, but not one for the first bytes in libsndfile.
    """
    descriptor = 0 if path == STANDARD else os.open(path, os.O_RDONLY)
    if hasattr(select, "poll"):
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        waiting.poll()
    return descriptor


def promised_samples(file: soundfile.SoundFile) -> int:
    """Samples per channel that a pipe's header promises; 0 where it does not know."""
    sample_bytes = SAMPLE_BYTES.get(file.subtype, 8 if file.subtype == "DOUBLE" else 1)
    endless = (file.frames + 1) * file.channels * sample_bytes >= STREAMED_SIZE
    return 0 if endless else int(file.frames)


class PipeWriter:
    """A recording written into a pipe as WAV. The counterpart of `AudioWriter`, without a second thought.

    Args:
        stream: where it goes.
        sample_rate: Hz.
        channels: number of channels.
        encoding: a WAV's.
        samples: per channel; 0 where unknown.

    Attributes:
        peak, over_samples, clipped_samples, energy: as of `AudioWriter`.

    Raises:
        AudioFileError: the stream cannot take more.
        BrokenPipeError: nobody reads any more.
    """

    path = STANDARD

    def __init__(
        self, stream: BinaryIO, sample_rate: int, channels: int, encoding: Encoding, samples: int
    ) -> None:
        self._stream, self._encoding = stream, encoding
        self._sample_bytes = SAMPLE_BYTES[encoding.subtype]
        self.peak = 0.0
        self.over_samples = self.clipped_samples = 0
        self.energy = 0.0
        self._put(self._header(sample_rate, channels, samples))

    def write(self, block: NDArray[Any]) -> NDArray[np.float64]:
        """Append (channels, samples), and give what a reader will get for them."""
        if block.shape[1] == 0:
            return np.asarray(block, np.float64)
        self.peak = max(self.peak, float(np.abs(block).max()))
        values, kept, over_samples = encode(block, self._encoding)
        self.over_samples += over_samples
        self.clipped_samples += over_samples if self._encoding.clips else 0
        # The upper bytes of little-endian integers are the last ones; a float has all four.
        little = values.T.astype(values.dtype.newbyteorder("<"))
        raw = np.ascontiguousarray(little).view(np.uint8).reshape(-1, 4)
        self._put(raw[:, 4 - self._sample_bytes :].tobytes())
        self.energy += float(np.square(kept).sum())
        return kept

    def finish(self, gain: float = 1.0) -> None:
        """Nothing is held back."""
        assert gain == 1.0

    def commit(self) -> None:
        """What is written is written."""

    def discard(self) -> None:
        """What is written cannot be taken back."""

    def _header(self, sample_rate: int, channels: int, samples: int) -> bytes:
        frame_bytes = channels * self._sample_bytes
        size = samples * frame_bytes
        known = 0 < size < UNKNOWN_SIZE - 36
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", size + 36 if known else UNKNOWN_SIZE, b"WAVE", b"fmt ", 16),
            *(PCM_TAG if self._encoding.integer_bits else FLOAT_TAG, channels, sample_rate),
            *(sample_rate * frame_bytes, frame_bytes, 8 * self._sample_bytes),
            *(b"data", size if known else UNKNOWN_SIZE),
        )

    def _put(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise AudioFileError(
                f"standard output: writing broke off ({error.strerror}); check what it leads to"
            ) from None
