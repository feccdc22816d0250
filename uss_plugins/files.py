"""Files that are whole or not there: written aside, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its name when the block ends well and is removed if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed while writing left in `folder`; those at work keep theirs."""
    for leftover in folder.glob(".*.part"):
        process = leftover.name.split(".")[-2]
        if not (process.isdecimal() and _is_running(int(process))):
            leftover.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name != "posix":
        return True  # Signal 0 would end it there; better to leave a file than to take one away.
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
