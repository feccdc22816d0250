"""Recordings on disk, read block by block and checked on the way.

Audio is (channels, samples), floating point, full scale at 1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from uss_plugins.audio.errors import AudioFileError
from uss_plugins.audio.mp3 import FramesFile, find_frames
from uss_plugins.audio.pipes import (
    PIPE_FORMATS,
    STANDARD,
    is_pipe,
    open_pipe,
    promised_samples,
)
from uss_plugins.audio.tags import read_tags
from uss_plugins.audio.truncation import missing_bytes

__all__ = ["Audio", "AudioFileError", "AudioReader"]

Audio = NDArray[np.floating[Any]]

BLOCK_SAMPLES = 1 << 16
READABLE = "WAV, FLAC, OGG and MP3 are, among others"
MP3_SLACK_SAMPLES = 2 * 1152
"""A whole MP3 may have less than its tag tells, which can count itself, or lose it where it was joined."""


class AudioReader:
    """An open recording. A context manager.

    Args:
        path: a file in any format that libsndfile reads, or a pipe with WAV in it; "-" is standard input.

    Attributes:
        sample_rate: Hz.
        channels: number of channels.
        format, subtype: the container and the sample encoding, in libsndfile's words.
        samples: samples per channel that the file promises, or that the frames of an MP3 hold; 0 where a pipe
            does not know.
        tags: title, artist and the like, by libsndfile's names.

    Raises:
        AudioFileError: no file, a directory, empty, not audio, or shorter than its header says.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._pipe = is_pipe(self.path)
        self._file = _open(self.path, self._pipe)
        self._frames: FramesFile | None = None
        self._reading = Lock()
        self.sample_rate = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.format = str(self._file.format)
        self.subtype = str(self._file.subtype)
        self.samples = promised_samples(self._file) if self._pipe else int(self._file.frames)
        self.tags = read_tags(self._file)
        try:
            if self.format == "MP3":
                self._find_frames()
            self._check_length()
        except AudioFileError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise AudioFileError(
                f"{self.path}: cannot be read ({error.strerror}); check path and rights"
            ) from None

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; harmless when closed already.

        libsndfile must not close a file that another thread is reading: that takes no time, but from a pipe
        it may never end, so then the pipe is left to that thread.
        """
        if self._reading.acquire(blocking=not self._pipe):
            try:
                self._file.close()
                if self._frames:
                    self._frames.close()
            finally:
                self._reading.release()

    def blocks(
        self, block_samples: int = BLOCK_SAMPLES, dtype: str = "float32"
    ) -> Iterator[NDArray[Any]]:
        """The whole recording, once: (channels, samples) of at most `block_samples` each.

        Args:
            block_samples: samples per channel in a block; only the last is shorter.
            dtype: "float32", or "float64", which also holds 32-bit integers exactly.

        Raises:
            AudioFileError: the file breaks off before its promised end, or holds NaN or infinity.
        """
        done = 0
        while True:
            try:
                with self._reading:
                    block = self._file.read(block_samples, dtype=dtype, always_2d=True).T
            except soundfile.LibsndfileError:
                raise self._broken_off(done) from None
            if block.shape[1] == 0:
                break
            self._check_finite(block, done)
            done += block.shape[1]
            yield np.ascontiguousarray(block)
        is_mp3 = self.subtype.startswith("MPEG")  # which a WAV may hold, too
        slack_samples = MP3_SLACK_SAMPLES if is_mp3 else 0
        if done == 0 or done < self.samples - slack_samples:
            raise self._broken_off(done)

    def _find_frames(self) -> None:
        """Read an MP3 by its frames where libsndfile would stop before the last, or look for more."""
        file = _open_bytes(self.path)
        try:
            place = os.lseek(file.fileno(), 0, os.SEEK_CUR)
            mp3 = find_frames(file)
            if mp3 is None:
                os.lseek(file.fileno(), place, os.SEEK_SET)
        except OSError:
            file.close()
            raise
        if mp3 is None:
            file.close()
            return
        self._file.close()
        self._frames = FramesFile(file, mp3)
        missing = mp3.promised_samples > mp3.samples + MP3_SLACK_SAMPLES
        if mp3.cut or missing:
            self.samples = mp3.promised_samples if missing else 0
            raise self._broken_off(mp3.samples)
        if mp3.same_samples is not None:
            raise AudioFileError(
                f"{self.path}: its rate or channels change after {mp3.same_samples / self.sample_rate:.3f} s,"
                f" as if several MP3s were joined; rewrite it: ffmpeg -i {self.path} whole.wav"
            )
        self.samples = mp3.samples
        try:
            self._file = soundfile.SoundFile(self._frames)
        except soundfile.LibsndfileError:
            raise self._broken_off(0) from None

    def _check_length(self) -> None:
        if self._pipe and self._file.frames:
            return
        if self.samples == 0:
            raise AudioFileError(
                f"{self.path}: holds no audio (0 samples); record or export it again"
            )
        if self.samples >= 1 << 62:
            raise AudioFileError(
                f"{self.path}: does not say how long it is, as if streamed;"
                f" rewrite it: ffmpeg -i {self.path} whole{self.path.suffix}"
            )
        missing = 0 if self.path == STANDARD else missing_bytes(self.path)
        if missing:
            raise AudioFileError(
                f"{self.path}: truncated, {missing} of its bytes are missing at the end;"
                " get a whole copy, or rewrite what is there with sox or ffmpeg"
            )

    def _broken_off(self, done: int) -> AudioFileError:
        whole = f" of {self.samples / self.sample_rate:.3f} s" if self.samples else ""
        return AudioFileError(
            f"{self.path}: truncated or damaged after {done / self.sample_rate:.3f} s{whole};"
            " get a whole copy, or rewrite what is there with sox or ffmpeg"
        )

    def _check_finite(self, block: NDArray[Any], start: int) -> None:
        if not np.isfinite(block).all():
            first = start + int(np.flatnonzero(~np.isfinite(block).all(axis=0))[0])
            raise AudioFileError(
                f"{self.path}: holds NaN or infinity, first at {first / self.sample_rate:.3f} s;"
                " export it again"
            )


def _open(path: Path, pipe: bool) -> soundfile.SoundFile:
    try:
        if path.is_dir():
            raise AudioFileError(f"{path}: a directory; give the audio files in it")
        if pipe or path == STANDARD:
            file = soundfile.SoundFile(open_pipe(path), closefd=path != STANDARD)
            return _only_streamable(file, path, pipe)
        if path.stat().st_size == 0:
            raise AudioFileError(f"{path}: empty (0 bytes); record or export it again")
        return soundfile.SoundFile(path)
    except FileNotFoundError:
        raise AudioFileError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise AudioFileError(
            f"{path}: cannot be read ({error.strerror}); check path and rights"
        ) from None
    except (soundfile.LibsndfileError, TypeError):
        # A TypeError is soundfile's answer to the suffix .raw, which does not say its own rate.
        if pipe:
            raise _not_streamable(path) from None
        raise AudioFileError(
            f"{path}: not audio in a format that can be read ({READABLE});"
            f" convert it: ffmpeg -i {path} {path.stem}.wav"
        ) from None


def _open_bytes(path: Path) -> BinaryIO:
    """The file itself; that of standard input shares its place with whoever else reads there."""
    return os.fdopen(os.dup(0), "rb") if path == STANDARD else path.open("rb")


def _only_streamable(file: soundfile.SoundFile, path: Path, pipe: bool) -> soundfile.SoundFile:
    if pipe and file.format not in PIPE_FORMATS:
        file.close()
        raise _not_streamable(path)
    return file


def _not_streamable(path: Path) -> AudioFileError:
    return AudioFileError(
        f"{path}: holds no WAV, and from a pipe nothing else can be read;"
        " convert it on the way: ffmpeg -i FILE -f wav - |"
    )
