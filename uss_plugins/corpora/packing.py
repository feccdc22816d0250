"""Packs audio files into HDF5 in the layout of `audioset_hdf5`, and joins such files under an index.

A file is packed under a temporary name beside its own. All its room is allotted when it is made, so that
what is written later changes no structure and a kill leaves a file that opens. A clip's name is written
last: a clip that has one is whole, and an interrupted packing goes on with those that have none.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
from numpy.typing import NDArray

from registry.contracts import ClipUnreadableError
from registry.errors import UserError
from uss_plugins.corpora.audioset_hdf5 import FULL_SCALE
from uss_plugins.corpora.audioset_segments import SegmentList, read_segments
from uss_plugins.corpora.clip_audio import read_clip
from uss_plugins.corpora.hdf5_files import open_hdf5
from uss_plugins.files import written_aside

CLIPS_PER_JOB = 16
"""Clips that each process decodes between two flushes: 10 MB of 10-s clips at 32 kHz."""
SOURCE = "segments_sha256"
"""Attribute: digest of the list of segments that a file is packed from."""

Clip = NDArray[np.int16]


@dataclass(frozen=True)
class Packed:
    """What a packing came to.

    clips: in the file, those without audio included.
    missing: files that were not there. unreadable: files that were, and why they could not be read.
    """

    clips: int
    missing: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


def pack(
    segments: Path,
    audio_dir: Path,
    output: Path,
    *,
    sample_rate: int = 32000,
    clip_seconds: float = 10.0,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Pack the files of one of AudioSet's segment CSVs; goes on where an interrupted packing stopped.

    Shorter clips are padded with zeros, longer ones cut; a clip without a readable file keeps an empty name.

    sample_rate: Hz, of the packed audio.
    jobs: processes that decode; each holds a few clips at a time.
    progress: called with the clips done and the clips in all.

    Raises:
        UserError: the list or the folder cannot be used, `output` or what there is of it was packed from
            another list, or the disk is full.
    """
    listed = read_segments(segments)
    layout = {
        SOURCE: hashlib.sha256(segments.read_bytes()).hexdigest(),
        "sample_rate": np.int32(sample_rate),
        "clip_samples": np.int32(round(clip_seconds * sample_rate)),
    }
    if output.exists():
        with open_hdf5(output) as file:
            check_layout(file, layout, output)
            named = file["audio_name"][:] != b""
        return Packed(len(named), tuple(np.array(listed.file_names)[~named].tolist()))
    present = listed.present(audio_dir)
    unfinished = output.with_name(f"{output.name}.part")
    try:
        if not unfinished.exists():
            allot(unfinished, listed, layout)
        with h5py.File(unfinished, "r+") as file:
            check_layout(file, layout, unfinished)
            unreadable = fill(file, listed, present, audio_dir, jobs, progress)
    except OSError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{unfinished}: cannot be written ({reason}); see to the disk and run this again, it goes on,"
            " or remove the file"
        ) from error
    unfinished.replace(output)
    missing = np.array(listed.file_names)[~present]
    return Packed(len(present), tuple(missing.tolist()), tuple(unreadable))


def check_layout(file: h5py.File, layout: dict[str, Any], path: Path) -> None:
    """Refuse to take up a file that was packed from another list, at another rate or length."""
    differing = [
        name for name, value in layout.items() if not np.array_equal(file.attrs.get(name), value)
    ]
    if differing:
        raise UserError(
            f"{path}: was packed otherwise ({', '.join(differing)} differ); remove it, or choose another"
            " output"
        )


def allot(path: Path, listed: SegmentList, layout: dict[str, Any]) -> None:
    """Make the file with all room it needs, whole or not at all."""
    clips, class_count = listed.labels.shape
    samples = int(layout["clip_samples"])
    with written_aside(path) as aside, h5py.File(aside, "w") as file:
        for name, shape, dtype in (
            ("audio_name", (clips,), "S20"),
            ("waveform", (clips, samples), "int16"),
            ("target", (clips, class_count), "bool"),
        ):
            make_room(file, name, shape, dtype)
        file.attrs.update(layout)


def make_room(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> None:
    """A dataset in one piece, in its place from now on; the file system gives zeros until it is written."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    file.create_dataset(name, shape, dtype, dcpl=plan)


def fill(
    file: h5py.File,
    listed: SegmentList,
    present: NDArray[np.bool_],
    audio_dir: Path,
    jobs: int,
    progress: Callable[[int, int], None] | None,
) -> list[str]:
    """Pack the clips that have a file and no name yet; returns why some could not be read."""
    names, waveform, target = (file[name] for name in ("audio_name", "waveform", "target"))
    todo = np.flatnonzero(present & (names[:] == b""))
    unreadable: list[str] = []
    done = len(present) - len(todo)
    read = partial(
        packed_clip, sample_rate=int(file.attrs["sample_rate"]), samples=waveform.shape[1]
    )
    with in_processes(jobs) as each:
        for start in range(0, len(todo), CLIPS_PER_JOB * jobs):
            block = todo[start : start + CLIPS_PER_JOB * jobs]
            written = []
            paths = [audio_dir / listed.file_names[row] for row in block]
            for row, clip in zip(block, each(read, paths), strict=True):
                if isinstance(clip, str):
                    unreadable.append(clip)
                    continue
                waveform[row], target[row] = clip, listed.labels[row]
                written.append(row)
            file.flush()
            for row in written:
                names[row] = np.bytes_(listed.file_names[row])
            file.flush()
            done += len(block)
            if progress is not None:
                progress(done, len(present))
    return unreadable


def packed_clip(path: Path, *, sample_rate: int, samples: int) -> Clip | str:
    """A file as the packed form of a clip, (samples,) int16, or why it cannot be read."""
    try:
        audio = read_clip(path, sample_rate, samples / sample_rate)[:samples]
    except ClipUnreadableError as error:
        return str(error)
    clip = np.zeros(samples, np.int16)
    clip[: len(audio)] = np.round(audio * FULL_SCALE)
    return clip


Each = Callable[[Callable[[Path], "Clip | str"], Sequence[Path]], "Iterator[Clip | str]"]


@contextmanager
def in_processes(jobs: int) -> Iterator[Each]:
    """`map`, in so many processes.

    Raises:
        UserError: one of them was killed.
    """
    if jobs <= 1:
        yield map
        return
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    with ProcessPoolExecutor(jobs, context, initializer=end_with_parent) as pool:
        try:
            yield cast(Each, partial(pool.map, chunksize=2))
        except BrokenProcessPool as error:
            raise UserError(
                "a process was killed, perhaps for want of memory; run this again with fewer --jobs,"
                " it goes on"
            ) from error


def end_with_parent() -> None:
    """Have this process end when its parent does, even if that is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
