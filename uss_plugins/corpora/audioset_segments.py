"""AudioSet's own lists of segments, and the files that were fetched for them.

A list is a CSV with three comment lines, then `YTID, start, end, "mid,mid,..."` for each segment; times are
seconds in the video. The audio of a segment, already cut out, is the file `Y<YTID>.wav`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry.errors import UserError, nearest
from uss_plugins.labels.audioset import classes

REPORTED_PROBLEMS = 20
NAMED_MISSING = 5


@dataclass(frozen=True)
class SegmentList:
    """The segments of one list.

    file_names: `Y<YTID>.wav` of each.
    labels: (clips, 527) bool, in the order of AudioSet's class indices.
    """

    path: Path
    file_names: tuple[str, ...]
    labels: NDArray[np.bool_]

    def present(self, audio_dir: Path) -> NDArray[np.bool_]:
        """Which segments have their file: (clips,).

        Raises:
            UserError: the folder cannot be listed, or has none of the files.
        """
        try:
            there = {entry.name for entry in os.scandir(audio_dir)}
        except OSError as error:
            raise UserError(
                f"{audio_dir}: cannot be listed ({error.strerror}); give the folder of {self.path}'s audio"
            ) from error
        found = np.array([name in there for name in self.file_names], bool)
        if not found.any():
            raise UserError(
                f"{audio_dir}: has none of the {len(found)} files of {self.path}, such as"
                f" {self.file_names[0]}; give the folder of its audio"
            )
        return found


def read_segments(path: Path) -> SegmentList:
    """Read a list.

    Raises:
        UserError: it cannot be read; or all lines that cannot be used, in one report.
    """
    index_of = {one.machine_id: one.index for one in classes()}
    names: list[str] = []
    labels: list[list[int]] = []
    problems: list[str] = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            for row in reader:
                if not row or row[0].startswith("#"):
                    continue
                problem = _problem(row, index_of)
                if problem:
                    problems.append(f"line {reader.line_num}: {problem}")
                    continue
                names.append(f"Y{row[0]}.wav")
                labels.append([index_of[machine_id] for machine_id in _machine_ids(row[3])])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as segments ({error}); check the path") from error
    if problems:
        raise UserError(report(f"{path}: {len(problems)} lines cannot be used", problems))
    if not names:
        raise UserError(f"{path}: lists no segments; give one of AudioSet's segment CSVs")
    table = np.zeros((len(names), len(index_of)), bool)
    for clip, indices in enumerate(labels):
        table[clip, indices] = True
    return SegmentList(path, tuple(names), table)


def report(headline: str, problems: Sequence[str]) -> str:
    """All problems under one headline, shortened after 20."""
    lines = [f"  {problem}" for problem in problems[:REPORTED_PROBLEMS]]
    more = len(problems) - REPORTED_PROBLEMS
    return "\n".join([f"{headline}:", *lines, *([f"  ... and {more} more"] if more > 0 else [])])


def name_some(names: Iterable[str]) -> str:
    """The first few of many names, for a message."""
    names = list(names)
    return ", ".join(names[:NAMED_MISSING]) + (", ..." if len(names) > NAMED_MISSING else "")


def _machine_ids(cell: str) -> list[str]:
    return [machine_id.strip() for machine_id in cell.split(",") if machine_id.strip()]


def _problem(row: Sequence[str], index_of: dict[str, int]) -> str | None:
    """What is wrong with a line, if anything."""
    if len(row) != 4:
        return f'{len(row)} fields; write YTID, start, end, "id,id" with quotes around the ids'
    if not row[0] or not row[0].isascii():  # HDF5 holds names as bytes
        return f"id {row[0]!r}; give YouTube's, which is ASCII"
    try:
        start, end = float(row[1]), float(row[2])
    except ValueError:
        return f"times {row[1]!r}, {row[2]!r}; give seconds"
    if not 0 <= start < end:
        return f"the segment ends at {end:g} s and begins at {start:g} s; swap or correct them"
    machine_ids = _machine_ids(row[3])
    if not machine_ids:
        return "no labels; give at least one machine id"
    unknown = [machine_id for machine_id in machine_ids if machine_id not in index_of]
    return "; ".join(f"unknown class {one!r}, {nearest(one, index_of)}" for one in unknown) or None
