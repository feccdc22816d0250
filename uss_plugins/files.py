"""Files that are whole or not there: written aside, then renamed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def aside_of(path: Path) -> Path:
    """The name beside `path` under which this process, of this machine, writes what is unfinished."""
    return path.with_name(f".{path.name}.{_machine()}.{os.getpid()}.part")


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its name when the block ends well and is removed if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = aside_of(path)
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def remove_leftovers(folder: Path, *, of_all_machines: bool = False) -> None:
    """Remove what processes that were killed while writing left in `folder`; those at work keep theirs.

    Which processes of other machines still run cannot be seen from here. What they left goes only with
    `of_all_machines`, which is for a folder where none of them can be at work.
    """
    with suppress(FileNotFoundError):  # the folder
        for leftover in folder.glob(".*.part"):
            *_, machine, process, _suffix = leftover.name.split(".")
            if machine != _machine():
                at_work = not of_all_machines
            else:
                at_work = process.isdecimal() and _is_running(int(process))
            if not at_work:
                leftover.unlink(missing_ok=True)


def _machine() -> str:
    """This machine's name without its domain, so that there is no dot in it."""
    return socket.gethostname().partition(".")[0]


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
