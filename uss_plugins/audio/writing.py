"""Audio files written block by block, that are whole or not there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from uss_plugins.audio.files import AudioFileError, AudioReader
from uss_plugins.audio.formats import DRAFT, Encoding, dequantise, quantise


class AudioWriter:
    """A recording being written, under a temporary name beside its own until `commit`. A context manager.

    Leaving the context commits, or after an exception removes what was written.

    Args:
        path: the final name; a file there is replaced on `commit`.
        sample_rate: Hz.
        channels: number of channels.
        encoding: how samples are written.
        draft: keep all values as they are until `commit`, which may then scale them.

    Attributes:
        peak: the largest absolute value written so far, before clipping.
        clipped_samples: how many values were clipped.
        energy: sum of the squares of the values written.

    Raises:
        AudioFileError: the file cannot be created, or the format cannot hold this.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        encoding: Encoding,
        *,
        draft: bool = False,
    ) -> None:
        self.path, self.sample_rate, self.channels = path, sample_rate, channels
        self.encoding, self._draft = encoding, draft
        self.peak = 0.0
        self.clipped_samples = 0
        self.energy = 0.0
        self._aside = path.with_name(f".{path.name}.{os.getpid()}.part")
        written = DRAFT if draft else encoding
        self._bits = written.integer_bits
        try:
            self._file = soundfile.SoundFile(
                self._aside, "w", sample_rate, channels, written.subtype, format=written.format
            )
        except (OSError, soundfile.LibsndfileError) as error:
            self._aside.unlink(missing_ok=True)
            raise AudioFileError(
                f"{path}: cannot be written as {encoding.format} {encoding.subtype}, {sample_rate} Hz,"
                f" {channels} channels ({_reason(error)}); check the folder, or choose --format wav"
            ) from None

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()

    def write(self, block: NDArray[Any]) -> NDArray[np.float64]:
        """Append (channels, samples), and give what a reader of the file will get for them.

        (For a lossy format, or a draft, that is the block itself.)

        Raises:
            AudioFileError: the disk is full, or gone.
        """
        if block.shape[1] == 0:
            return np.asarray(block, np.float64)
        self.peak = max(self.peak, float(np.abs(block).max()))
        if self._bits is None:
            values: NDArray[Any] = np.asarray(block, np.float32)
            kept = values.astype(np.float64)
        else:
            values, clipped = quantise(block, self._bits)
            self.clipped_samples += clipped
            kept = dequantise(values)
        self.energy += float(np.square(kept).sum())
        try:
            self._file.write(values.T)
        except (OSError, AssertionError, soundfile.LibsndfileError) as error:
            raise self._unwritten(error) from None
        return kept

    def commit(self, gain: float = 1.0) -> None:
        """Finish the file and give it its name; harmless when done already.

        Args:
            gain: what a draft is multiplied by; must be 1 for anything else.

        Raises:
            AudioFileError: the disk is full, or gone; nothing is left under the final name.
        """
        if self._file.closed:
            return
        assert self._draft or gain == 1.0
        try:
            self._file.close()
            if self._draft:
                self._encode(gain)
            else:
                self._aside.replace(self.path)
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._unwritten(error) from None
        finally:
            self._aside.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what was written; harmless when committed or discarded already."""
        if not self._file.closed:
            with suppress(soundfile.LibsndfileError):
                self._file.close()
            self._aside.unlink(missing_ok=True)

    def _encode(self, gain: float) -> None:
        self._aside = self._aside.rename(self._aside.with_suffix(".draft"))
        final = AudioWriter(self.path, self.sample_rate, self.channels, self.encoding)
        with AudioReader(self._aside) as draft, final:
            for block in draft.blocks():
                final.write(block * np.float64(gain))
        self.peak, self.clipped_samples = final.peak, final.clipped_samples
        self.energy = final.energy

    def _unwritten(self, error: Exception) -> AudioFileError:
        return AudioFileError(
            f"{self.path}: writing broke off ({_reason(error)}); check the space on the disk"
        )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, soundfile.LibsndfileError):
        return str(error.error_string).rstrip(".")
    return "not all of it could be written"
