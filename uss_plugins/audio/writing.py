"""Audio files written block by block, that are whole or not there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from uss_plugins.audio.files import AudioFileError, AudioReader
from uss_plugins.audio.formats import DRAFT, Encoding, encode
from uss_plugins.audio.remembering import RememberingFile
from uss_plugins.audio.tags import write_tags
from uss_plugins.files import aside_of

SLICE_SAMPLES = 1 << 16
"""libvorbis takes a write onto its stack, which a few million samples overflow."""


class AudioWriter:
    """A recording being written, under a temporary name beside its own until `commit`. A context manager.

    Leaving the context commits, or after an exception removes what was written.

    Args:
        path: the final name; a file there is replaced on `commit`.
        sample_rate: Hz.
        channels: number of channels.
        encoding: how samples are written.
        draft: keep all values as they are until `commit`, which may then scale them.
        tags: title, artist and the like, as far as the format has them.

    Attributes:
        peak: the largest absolute value written so far, before clipping.
        over_samples: how many values were over full scale; `clipped_samples`: how many of them were clipped.
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
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.sample_rate, self.channels = path, sample_rate, channels
        self.encoding, self._draft, self._tags = encoding, draft, dict(tags or {})
        self.peak = 0.0
        self.over_samples = self.clipped_samples = 0
        self.energy = 0.0
        self._aside = aside_of(path.with_name(f"{path.name}.draft") if draft else path)
        self._committed = False
        written = DRAFT if draft else encoding
        try:
            self._disk = RememberingFile(self._aside)
        except OSError as error:
            raise self._not_begun(error) from None
        try:
            self._file = soundfile.SoundFile(
                self._disk, "w", sample_rate, channels, written.subtype, format=written.format
            )
            write_tags(self._file, self._tags)
        except soundfile.LibsndfileError as error:
            with suppress(OSError):
                self._disk.close()
            self._aside.unlink(missing_ok=True)
            raise self._not_begun(self._disk.failure or error) from None

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.discard()

    def write(self, block: NDArray[Any]) -> NDArray[np.float64]:
        """Append (channels, samples), and give what a reader of the file will get for them.

        (For a draft that is the block itself, for a lossy format the block within full scale.)

        Raises:
            AudioFileError: the disk is full, or gone.
        """
        if block.shape[1] == 0:
            return np.asarray(block, np.float64)
        if self._draft:
            block = np.asarray(block, np.float32)  # what `commit` will find
        self.peak = max(self.peak, float(np.abs(block).max()))
        values, kept, over_samples = encode(block, self.encoding)
        self.over_samples += over_samples
        if self._draft:
            values, kept, _ = encode(block, DRAFT)
        elif self.encoding.clips:
            self.clipped_samples += over_samples
        self.energy += float(np.square(kept).sum())
        failure: BaseException | None = None
        try:
            for start in range(0, values.shape[1], SLICE_SAMPLES):
                self._file.write(values.T[start : start + SLICE_SAMPLES])
        except (AssertionError, soundfile.LibsndfileError) as error:
            failure = error
        if self._disk.failure or failure:
            raise self._unwritten(self._disk.failure or failure) from None
        return kept

    def finish(self, gain: float = 1.0) -> None:
        """Write all that is left to write, still under the temporary name; harmless when done already.

        Args:
            gain: what a draft is multiplied by; must be 1 for anything else.

        Raises:
            AudioFileError: the disk is full, or gone.
        """
        if self._file.closed:
            return
        assert self._draft or gain == 1.0
        try:
            self._file.close()
            self._disk.close()
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._unwritten(self._disk.failure or error) from None
        if self._draft:
            self._encode(gain)

    def commit(self, gain: float = 1.0) -> None:
        """Finish the file and give it its name; harmless when done already.

        Raises:
            AudioFileError: as `finish`, or somebody took the unfinished file away; nothing new is under the
                final name.
        """
        self.finish(gain)
        if self._committed:
            return
        try:
            self._aside.replace(self.path)
        except FileNotFoundError:
            raise AudioFileError(
                f"{self.path}: was taken away while it was written; let one process at a time write there"
            ) from None
        except OSError as error:
            raise self._unwritten(error) from None
        self._committed = True

    def discard(self) -> None:
        """Remove what was written; harmless when committed or discarded already."""
        with suppress(soundfile.LibsndfileError):
            self._file.close()
        with suppress(Exception):
            self._disk.close()
        self._aside.unlink(missing_ok=True)

    def _encode(self, gain: float) -> None:
        """Write the draft again, scaled, in the final encoding, and let that be what is committed."""
        final = AudioWriter(
            self.path, self.sample_rate, self.channels, self.encoding, tags=self._tags
        )
        try:
            with AudioReader(self._aside) as draft:
                for block in draft.blocks():
                    final.write(block * np.float64(gain))
            final.finish()
        except BaseException:
            final.discard()
            raise
        self._aside.unlink()
        self._aside = final._aside
        self.peak, self.energy = final.peak, final.energy
        self.over_samples, self.clipped_samples = final.over_samples, final.clipped_samples

    def _not_begun(self, error: BaseException) -> AudioFileError:
        return AudioFileError(
            f"{self.path}: cannot be written as {self.encoding.format} {self.encoding.subtype},"
            f" {self.sample_rate} Hz, {self.channels} channels ({_reason(error)}); check the folder,"
            " or choose --format wav"
        )

    def _unwritten(self, error: BaseException | None) -> AudioFileError:
        return AudioFileError(
            f"{self.path}: writing broke off ({_reason(error)}); check the space on the disk"
        )


def _reason(error: BaseException | None) -> str:
    if error and not isinstance(error, Exception):
        raise error  # not the disk, but somebody who wants us to stop
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, soundfile.LibsndfileError):
        return str(error.error_string).rstrip(".")
    return "not all of it could be written"
