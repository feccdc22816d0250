"""Writes the index that joins packed HDF5 files; see `audioset_hdf5` for the layout."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from registry.errors import UserError
from uss_plugins.corpora.audioset_hdf5 import BLOCK_CLIPS
from uss_plugins.corpora.audioset_segments import report
from uss_plugins.corpora.hdf5_files import open_hdf5, wrong_datasets
from uss_plugins.files import written_aside
from uss_plugins.labels.audioset import classes

PATH_BYTES = 200


def write_index(parts: Sequence[Path], output: Path, *, relative: bool = False) -> tuple[int, int]:
    """Join packed files, in their order, without clips that have no audio. An old index is replaced.

    relative: write paths relative to the index's folder, so that all can be moved together; else absolute.

    Returns the clips in the index, and the clips left out.

    Raises:
        UserError: everything that is wrong with the parts, in one report, or no clip has audio.
    """
    check_packed(parts)
    counts = [count_clips(part) for part in parts]
    clips = sum(named for named, _ in counts)
    if not clips:
        raise UserError(f"{parts[0]}: no clip of it or of the others has audio; pack it again")
    with written_aside(output) as aside, h5py.File(aside, "w") as index:
        index.create_dataset("audio_name", (clips,), "S20")
        index.create_dataset("target", (clips, len(classes())), "bool")
        index.create_dataset("hdf5_path", (clips,), f"S{PATH_BYTES}")
        index.create_dataset("index_in_hdf5", (clips,), "int32")
        row = 0
        for part in parts:
            row = add_part(index, row, part, stored_path(part, output, relative))
    return clips, sum(empty for _, empty in counts)


def check_packed(parts: Sequence[Path]) -> None:
    """Refuse files that are not packed clips."""
    problems: list[str] = []
    for path in parts:
        try:
            with open_hdf5(path) as part:
                wrong = wrong_datasets(
                    part,
                    {
                        "audio_name": ("S", (None,)),
                        "waveform": (("int16",), (None, None)),
                        "target": ("b", (None, len(classes()))),
                    },
                )
        except UserError as error:
            problems.append(str(error))
            continue
        problems += [f"{path}: {problem}" for problem in wrong]
    if problems:
        raise UserError(report("these are not packed clips; make them with pack", problems))


def count_clips(path: Path) -> tuple[int, int]:
    """Clips of a packed file with audio, and without."""
    with open_hdf5(path) as part:
        named = part["audio_name"][:] != b""
    return int(named.sum()), int((~named).sum())


def stored_path(part: Path, output: Path, relative: bool) -> bytes:
    """A part's path as the index holds it."""
    absolute = part.resolve()
    path = os.fsencode(os.path.relpath(absolute, output.parent.resolve()) if relative else absolute)
    if len(path) > PATH_BYTES:
        raise UserError(
            f"{part}: its path is longer than the {PATH_BYTES} bytes an index holds; use --relative or a"
            " shorter folder"
        )
    return path


def add_part(index: h5py.File, row: int, path: Path, stored: bytes) -> int:
    """Append a part's clips from `row`, in blocks; returns the row after them."""
    with open_hdf5(path) as part:
        for start in range(0, len(part["audio_name"]), BLOCK_CLIPS):
            names = part["audio_name"][start : start + BLOCK_CLIPS]
            kept = np.flatnonzero(names != b"")
            rows = slice(row, row + len(kept))
            index["audio_name"][rows] = names[kept]
            index["target"][rows] = part["target"][start : start + BLOCK_CLIPS][kept]
            index["hdf5_path"][rows] = np.full(len(kept), stored, f"S{PATH_BYTES}")
            index["index_in_hdf5"][rows] = (start + kept).astype(np.int32)
            row = rows.stop
    return row
