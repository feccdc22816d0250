"""Which recordings are meant by files, folders and lists."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from registry.errors import UserError
from uss_plugins.audio.pipes import STANDARD
from uss_plugins.separation.names import REPORT, output_folder

LIST_SUFFIXES = (".txt", ".lst", ".m3u", ".m3u8")
OTHER_SUFFIXES = (".aif", ".aifc", ".aiff", ".oga", ".opus", ".mp3", ".rf64", ".bwf", ".snd")
"""Of recordings, besides the names of libsndfile's formats."""
NOT_RECORDINGS = (".raw", ".mat4", ".mat5", ".txt")


@dataclass(frozen=True)
class Task:
    """A recording, and the folder for what is made of it. `index`: its place in the whole list."""

    index: int
    path: Path
    folder: Path


def list_tasks(given: Sequence[Path], output_dir: Path) -> list[Task]:
    """Every recording once, in an order that is the same for whoever asks, with a folder of its own.

    Args:
        given: recordings; folders, of which all recordings count, those in folders below them, too, and what
            is made of them goes into the same folders below `output_dir`; text files that list recordings,
            a path in each line, relative to the list; lines that begin with `#` are comments.
        output_dir: where the folders go. What an earlier run made is no recording, wherever it is.

    Raises:
        UserError: a list cannot be read, or names nothing.
    """
    tasks: dict[Path, Task] = {}
    taken: dict[Path, set[str]] = {}
    for path, below in _recordings(given):
        known = path if path == STANDARD else path.resolve()
        if known not in tasks:
            parent = output_dir / below
            folder = output_folder(parent, path, taken.setdefault(parent, set()))
            tasks[known] = Task(len(tasks), path, folder)
    return list(tasks.values())


def _recordings(given: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Recordings, and the folder below the output folder for each."""
    for path in given:
        found = _in_folder(path) if path.is_dir() else []
        if found:
            yield from ((one, one.parent.relative_to(path)) for one in found)
        elif path.suffix.lower() in LIST_SUFFIXES and path.is_file():
            yield from ((one, Path()) for one in _in_list(path))
        else:  # a folder without recordings, too: whoever opens it says what is wrong
            yield path, Path()


def _in_folder(folder: Path) -> list[Path]:
    suffixes = {f".{name.lower()}" for name in soundfile.available_formats()}
    suffixes = suffixes.union(OTHER_SUFFIXES).difference(NOT_RECORDINGS)
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        if REPORT in files:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in files
            if Path(name).suffix.lower() in suffixes and not name.startswith(".")
        ]
    return sorted(found)


def _in_list(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: cannot be read as a list of recordings ({error}); give one path in each line"
        ) from None
    named = (line.strip() for line in lines)
    found = [path.parent / line for line in named if line and not line.startswith("#")]
    if not found:
        raise UserError(f"{path}: names no recording; give one path in each line")
    return found
