"""The files that are made of one recording: parts, and the residual, written in step with each other.

Everything is (channels, samples). Each part is a `Track`; here they begin, end and get their names together.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from uss_plugins.audio.files import AudioFileError, AudioReader
from uss_plugins.audio.formats import Encoding
from uss_plugins.audio.pipes import PipeWriter
from uss_plugins.audio.resampling import StreamingResampler
from uss_plugins.audio.writing import AudioWriter
from uss_plugins.separation.names import free_name, safe_name
from uss_plugins.separation.track import Track

RESIDUAL = "residual"


@dataclass(frozen=True)
class Place:
    """Where an output goes: a folder below that of the recording, and its name there."""

    folder: str
    name: str


@dataclass(frozen=True)
class WrittenFile:
    """A finished output: its name, its file, and how loud it is (full scale at 1).

    over_samples: how many values are over full scale, clipped or, in floating point, kept.
    energy: sum of its squared samples.
    residual: whether it is what the others of its folder leave.
    """

    name: str
    path: Path
    peak: float
    over_samples: int
    clipped_samples: int
    energy: float
    residual: bool


class Outputs:
    """All files made of one recording. A context manager: what is not committed is removed.

    Args:
        folder: where the files go; made with the first of them.
        source: the recording.
        encoding: of all the files.
        scale: whether `commit` turns all of them down alike where one is over full scale.
        model_rate: Hz, of the estimates.
        overlap_samples: of neighbouring segments, at the model's rate.
        residual: whether to write the recording minus all other outputs, as `residual`. It is taken from the
            parts as rounded for the file, so that in integer formats too all add up to the recording.
        places: output -> its place; by default in `folder` itself, under its own name. Each folder has a
            residual of its own, of the outputs in it.
        stream: gets the only output, instead of a file.
    """

    def __init__(
        self,
        folder: Path,
        source: AudioReader,
        encoding: Encoding,
        *,
        scale: bool,
        model_rate: int,
        overlap_samples: int,
        residual: bool,
        places: Mapping[str, Place] | None = None,
        stream: BinaryIO | None = None,
    ) -> None:
        self.folder, self._source, self._encoding = folder, source, encoding
        self._stream = stream
        self._draft = scale
        self._model_rate, self._overlap_samples = model_rate, overlap_samples
        self._places = dict(places or {})
        self._tracks: dict[str, Track] = {}
        self._writers: list[tuple[str, AudioWriter | PipeWriter]] = []
        self._taken: dict[str, set[str]] = {}
        self._made_folders: list[Path] = []
        self._begun = False
        # Always silent and without a file: the pace of all, and the past of those that begin late.
        self._silence = self._new_track(None)
        self._original: list[NDArray[np.float64]] = []
        self._wants_residual = residual
        self._residuals: dict[str, AudioWriter | PipeWriter] = {}

    def __enter__(self) -> Outputs:
        if self._wants_residual:
            try:
                for folder in sorted({place.folder for place in self._places.values()} or {""}):
                    name = f"{folder}/{RESIDUAL}" if folder else RESIDUAL
                    self._residuals[folder] = self._new_writer(name, Place(folder, RESIDUAL))
            except AudioFileError:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        for _name, writer in self._writers:
            writer.discard()
        for folder in reversed(self._made_folders):
            with suppress(OSError):  # something is in it
                folder.rmdir()

    def open(self, name: str) -> None:
        """Begin an output, if it has not begun: silent up to here."""
        if name not in self._tracks:
            place = self._places.get(name, Place("", name))
            track = self._tracks[name] = self._new_track(self._new_writer(name, place))
            if self._begun:
                track.skip(self._silence.settled_samples)

    def original(self, block: NDArray[np.float64]) -> None:
        """The next block of the recording itself, for the residual."""
        if self._residuals:
            self._original.append(block)

    def push(self, estimates: Mapping[str, NDArray[Any]], segment_samples: int) -> None:
        """One segment: the estimates of the outputs that sound in it, all (channels, segment_samples)."""
        for name in estimates:
            self.open(name)
        silent = np.zeros((self._source.channels, segment_samples), np.float32)
        nothing = self._silence.push(silent)
        parts = {
            name: track.push(estimates.get(name, silent)) for name, track in self._tracks.items()
        }
        self._begun = True
        self._write_residuals(nothing, parts)

    def finish(self, total_samples: int) -> None:
        """After the last segment: fill everything up to the recording's length."""
        nothing = self._silence.finish(total_samples)
        parts = {name: track.finish(total_samples) for name, track in self._tracks.items()}
        self._write_residuals(nothing, parts)

    def commit(self) -> tuple[list[WrittenFile], float]:
        """Give all files their names; also the gain they were scaled by, 1 unless one was over full scale."""
        over = [writer.peak for _, writer in self._writers if writer.over_samples]
        gain = self._encoding.full_scale / max(over) if self._draft and over else 1.0
        for _, writer in self._writers:
            writer.finish(gain)
        for _, writer in self._writers:  # only when all of them are whole
            writer.commit()
        # Residuals were begun first, so that they get their plain names; they are told last.
        residuals = list(self._residuals.values())
        files = [
            WrittenFile(
                name,
                writer.path,
                writer.peak,
                writer.over_samples,
                writer.clipped_samples,
                writer.energy,
                writer in residuals,
            )
            for name, writer in self._writers
        ]
        return sorted(files, key=lambda file: file.residual), gain

    def _new_track(self, writer: AudioWriter | PipeWriter | None) -> Track:
        resampler = StreamingResampler(
            self._model_rate, self._source.sample_rate, self._source.channels
        )
        return Track(self._overlap_samples, resampler, writer)

    def _new_writer(self, name: str, place: Place) -> AudioWriter | PipeWriter:
        writer = self._stream_writer() if self._stream else self._file_writer(place)
        self._writers.append((name, writer))
        return writer

    def _stream_writer(self) -> PipeWriter:
        source = self._source
        assert self._stream
        assert not self._writers
        return PipeWriter(
            self._stream, source.sample_rate, source.channels, self._encoding, source.samples
        )

    def _file_writer(self, place: Place) -> AudioWriter:
        taken = self._taken.setdefault(place.folder, set())
        file_name = free_name(safe_name(place.name), taken)
        taken.add(file_name.casefold())
        path = self.folder / place.folder / f"{file_name}{self._encoding.suffix}"
        self._prepare(path)
        return AudioWriter(
            path,
            self._source.sample_rate,
            self._source.channels,
            self._encoding,
            draft=self._draft,
            tags=self._source.tags,
        )

    def _prepare(self, path: Path) -> None:
        try:
            for folder in dict.fromkeys((self.folder, path.parent)):
                new = not folder.exists()
                folder.mkdir(parents=True, exist_ok=True)
                self._made_folders += [folder] * new
        except OSError as error:
            raise AudioFileError(
                f"{self.folder}: cannot be made ({error.strerror}); choose another --output-dir"
            ) from None
        source = self._source.path
        if path.exists() and source.exists() and path.samefile(source):
            raise AudioFileError(
                f"{path}: would overwrite its own input; choose another --output-dir"
            )

    def _write_residuals(
        self, nothing: NDArray[np.float64], parts: Mapping[str, NDArray[np.float64]]
    ) -> None:
        """Write what `parts` leave of the recording, in each folder; `nothing` is a silent part."""
        size = nothing.shape[1]
        if not self._residuals or not size:
            return
        waiting = np.hstack(self._original)
        for folder, writer in self._residuals.items():
            own = (
                part
                for name, part in parts.items()
                if self._places.get(name, Place("", name)).folder == folder
            )
            writer.write(waiting[:, :size] - sum(own, start=nothing))
        self._original = [waiting[:, size:]]
