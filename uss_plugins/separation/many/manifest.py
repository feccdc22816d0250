"""What came of each recording, in one file of JSON lines beside their folders.

A line is an object with these keys:

    input             absolute path of the recording, or "-"
    sha256            of its bytes; null where it could not be read, or was a pipe
    outputs           paths of what was made of it, relative to the manifest
    duration_seconds  its length; null where it could not be read
    seconds           what its separation took
    notes             lines about it: silence, clipped peaks
    error             the line that says why nothing was made; null if all is well

It is added to line by line, so that a run that was killed leaves what it had. A later line counts for more
than an earlier one of the same input; when a run ends the earlier ones go. Of several processes that share
the work each has a manifest, `manifest-RANK-of-SIZE.jsonl`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from registry.errors import UserError
from uss_plugins.files import write_text
from uss_plugins.launched import Place


def manifest_path(output_dir: Path, place: Place) -> Path:
    """Where the manifest of a process is."""
    own = f"-{place.rank}-of-{place.world_size}" if place.world_size > 1 else ""
    return output_dir / f"manifest{own}.jsonl"


class Manifest:
    """A manifest that is added to. A context manager; an end without an exception tidies it up.

    It is made with its first line. Where it cannot be written, that is a `UserError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begun = False

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if kind is None and self._begun:
            latest = read_manifest(self.path)
            self._put(lambda: write_text(self.path, "".join(map(_line, latest.values()))))

    def add(self, entry: Mapping[str, Any]) -> None:
        """Append what came of one recording."""

        def append() -> None:
            if not self._begun:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._end_last_line()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(entry))
            self._begun = True

        self._put(append)

    def _put(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); check the space on the disk, or choose"
                " another --output-dir"
            ) from None

    def _end_last_line(self) -> None:
        """A process that was killed while it wrote may have left half a line, which nobody can read."""
        with self.path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """The last line of each input, in the order of their first ones; lines that are no entry are left out."""
    entries: dict[str, dict[str, Any]] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
                entries[entry["input"]] = entry
            except (ValueError, TypeError, KeyError):
                continue
    return entries


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"
