"""AudioSet packed in HDF5 files, in the layout of the paper's released code.

A part holds `audio_name` (clips,) S20, `waveform` (clips, samples) int16 at full scale 32767, `target`
(clips, 527) bool and the attribute `sample_rate`; an index joins parts by `audio_name`, `target`, `hdf5_path`
(clips,) S200 and `index_in_hdf5` (clips,) int32. An empty name is a clip whose file was missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import soxr
from numpy.typing import NDArray

from registry.contracts import ClipUnreadableError
from registry.errors import UserError
from uss_plugins.corpora.audioset_segments import report
from uss_plugins.corpora.hdf5_files import open_hdf5, wrong_datasets
from uss_plugins.corpora.splits import find_split
from uss_plugins.labels.audioset import classes

logger = logging.getLogger(__name__)

FULL_SCALE = 32767
BLOCK_CLIPS = 1 << 16


class AudioSetHdf5Corpus:
    """Clips of packed AudioSet, by its index; keeps the Corpus contract.

    Files are opened when a clip of theirs is first read, in each process anew. The labels stay on disk and
    are mapped into memory where the index allows it, so that many workers share those of two million clips.

    Attributes:
        missing_count: clips of the index that were left out because their files were missing.
    """

    labels: NDArray[np.bool_]

    def __init__(
        self,
        split: str,
        indexes: Mapping[str, str],
        *,
        root: str | None = None,
        sample_rate: int = 32000,
        hold_out: int = 0,
    ) -> None:
        """Read the index of a split, and check it against the headers of its parts.

        split: "train", "valid" or "test".
        indexes: split -> index file.
        root: folder that relative paths in the index start from; by default the index's own.
        sample_rate: Hz, of the audio that `clip` gives; parts of other rates are resampled.
        hold_out: so many of the last clips of train are valid, if valid has no index of its own.

        Raises:
            UserError: no such split, or hold_out leaves nothing; or everything that is wrong with the
                index and its parts, in one report.
        """
        key, part = find_split(split, indexes, hold_out)
        self._index = Path(indexes[key])
        self.sample_rate = sample_rate
        self.class_names = tuple(one.name for one in classes())
        self.class_ids = tuple(one.machine_id for one in classes())
        with open_hdf5(self._index) as index:
            check_index(index, self._index, len(self.class_names))
            names = index["audio_name"][:]
            paths, part_of = read_paths(index["hdf5_path"])
            places = index["index_in_hdf5"][:]
        base = Path(root) if root is not None else self._index.parent
        self.parts = tuple(base / path for path in paths)
        self._rates = check_parts(self.parts, part_of, places, self._index)
        kept = np.flatnonzero(names != b"")
        self.missing_count = len(names) - len(kept)
        if self.missing_count:
            logger.warning(
                "%s: %d of %d clips have no audio", self._index, self.missing_count, len(names)
            )
        self._rows: slice | NDArray[np.int64] = kept[part] if self.missing_count else part
        self._names, self._part_of = names[self._rows], part_of[self._rows]
        self._places = places[self._rows]
        if not len(self._names):
            raise UserError(
                f"{self._index}: no clip is left for {split}; hold out fewer than {hold_out}"
            )
        self._open: dict[int, h5py.File] = {}
        self._process = os.getpid()
        self.labels = read_labels(self._index, self._rows)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._names)

    def clip(self, index: int) -> NDArray[np.float32]:
        """Audio of a clip: (samples,), in [-1, 1].

        Raises:
            ClipUnreadableError: its part is damaged, or not the file it was when the corpus was opened.
        """
        part, place = int(self._part_of[index]), int(self._places[index])
        try:
            stored = self._part(part)["waveform"][place]
        except (OSError, RuntimeError, KeyError, ValueError, IndexError) as error:
            name = self._names[index].decode(errors="replace")
            reason = " ".join(str(error).split())
            raise ClipUnreadableError(
                f"{self.parts[part]}, clip {place} ({name}): {reason}"
            ) from error
        audio = np.maximum(stored, -FULL_SCALE).astype(np.float32) / np.float32(FULL_SCALE)
        if self._rates[part] != self.sample_rate:
            audio = soxr.resample(audio, self._rates[part], self.sample_rate).clip(-1, 1)
        clip: NDArray[np.float32] = audio
        return clip

    def _part(self, part: int) -> h5py.File:
        if self._process != os.getpid():  # open files must not be shared with a parent process
            self._open, self._process = {}, os.getpid()
        if part not in self._open:
            self._open[part] = h5py.File(self.parts[part])
        return self._open[part]

    def __getstate__(self) -> dict[str, Any]:
        # Neither open files nor a gigabyte of labels travels to another process.
        return {**self.__dict__, "_open": {}, "labels": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.labels = read_labels(self._index, self._rows)


def check_index(index: h5py.File, path: Path, class_count: int) -> None:
    """Refuse a file that is no index."""
    wanted: dict[str, tuple[Sequence[str], tuple[int | None, ...]]] = {
        "audio_name": ("S", (None,)),
        "target": ("b", (None, class_count)),
        "hdf5_path": ("S", (None,)),
        "index_in_hdf5": ("iu", (None,)),
    }
    problems = wrong_datasets(index, wanted)
    if problems:
        raise UserError(report(f"{path}: not an index; make it with pack-index", problems))


def read_paths(dataset: h5py.Dataset) -> tuple[list[str], NDArray[np.int32]]:
    """The different paths of an index, and each clip's among them; read in blocks, for they are long."""
    numbers: dict[bytes, int] = {}
    part_of = np.zeros(len(dataset), np.int32)
    for start in range(0, len(dataset), BLOCK_CLIPS):
        values, inverse = np.unique(dataset[start : start + BLOCK_CLIPS], return_inverse=True)
        own = [numbers.setdefault(value, len(numbers)) for value in values.tolist()]
        part_of[start : start + BLOCK_CLIPS] = np.array(own, np.int32)[inverse]
    return [os.fsdecode(path) for path in numbers], part_of


def check_parts(
    parts: tuple[Path, ...],
    part_of: NDArray[np.int32],
    places: NDArray[np.integer[Any]],
    index: Path,
) -> tuple[int, ...]:
    """The sample rates (Hz) of all parts, each of which must hold what the index says.

    Raises:
        UserError: everything that is wrong, in one report.
    """
    rates, problems = [], []
    for number, path in enumerate(parts):
        own = places[part_of == number]
        try:
            with open_hdf5(path) as part:
                wrong = wrong_datasets(part, {"waveform": (("int16",), (None, None))})
                rates.append(read_rate(part))
                if rates[-1] <= 0:
                    wrong.append("has no attribute 'sample_rate'")
                count = 0 if wrong else len(part["waveform"])
        except UserError as error:
            problems.append(str(error))
            continue
        if not wrong and (own.min() < 0 or own.max() >= count):
            wrong.append(f"has {count} clips, the index names {own.min()} to {own.max()}")
        problems += [f"{path}: {problem}" for problem in wrong]
    if problems:
        raise UserError(report(f"{index}: its parts cannot be used", problems))
    return tuple(rates)


def read_rate(part: h5py.File) -> int:
    """The sample rate (Hz) of a part, 0 if it has none."""
    try:
        return int(part.attrs.get("sample_rate", 0))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError):
        return 0


def read_labels(path: Path, rows: slice | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Some rows of an index's `target`: (clips, classes), not to be changed.

    Mapped from the file if they lie there in one piece, as they do in the released layout.
    """
    with open_hdf5(path) as index:
        target = index["target"]
        offset = target.id.get_offset() if target.chunks is None else None
        if offset is None:
            stored: NDArray[np.bool_] = target[:]
        else:
            stored = np.memmap(path, np.bool_, mode="r", offset=offset, shape=target.shape)
    return np.asarray(stored[rows])
