"""What is done already, and whose a folder is: the report in a folder says both.

`separation.json` is there from the start, as a claim: other recordings of that name then take other folders,
and a run that was killed finds its own again. Only when everything is written does it say `finished`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from uss_plugins.audio.errors import AudioFileError
from uss_plugins.audio.pipes import is_pipe
from uss_plugins.files import remove_leftovers, write_text
from uss_plugins.separation.names import REPORT, input_name

HASH_BYTES = 1 << 20


def describe_source(path: Path) -> dict[str, Any]:
    """A recording's bytes, when it was changed, and their SHA-256; nothing for what cannot be read twice."""
    with suppress(OSError):
        if not is_pipe(path):
            known = path.stat()
            sha256 = file_sha256(path)
            return {"bytes": known.st_size, "modified_ns": known.st_mtime_ns, "sha256": sha256}
    return {}


def settings_digest(settings: Mapping[str, Any], files: Sequence[Path]) -> str:
    """One hash of all that decides what is made of a recording: options, and the content of files."""
    content = [file_sha256(path) for path in files]
    text = json.dumps([dict(settings), content], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def finished_report(folder: Path, recording: Path, settings: str) -> dict[str, Any] | None:
    """The report of an earlier run, if there is nothing to do again.

    That is: it finished, with the same settings, all its files are there, and the recording has not changed
    since, by its size and time, or else by its content.
    """
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        if not (report["finished"] and report["settings"] == settings):
            return None
        files = [output["file"] for output in report["outputs"]] + list(report["pages"].values())
        if not all((folder / file).is_file() for file in files):
            return None
        source, now = report["source"], recording.stat()
        unchanged = (source["bytes"], source["modified_ns"]) == (now.st_size, now.st_mtime_ns)
        if unchanged or source["sha256"] == file_sha256(recording):
            assert isinstance(report, dict)
            return report
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    return None


@contextmanager
def claimed(folder: Path, recording: Path) -> Iterator[None]:
    """A folder is a recording's while the block runs; after an exception it is what it was before.

    Unless files of it were replaced by then: the claim stays, for a next run to make the others, too. What an
    earlier process left unfinished is removed first; if the claim was its, whatever machine it ran on.
    """
    path = folder / REPORT
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    try:
        for own, _ in _own_folders(folder):
            remove_leftovers(own, of_all_machines=before is not None)
        files = _state(folder)
        write_text(path, json.dumps({"input": input_name(recording), "finished": False}) + "\n")
    except OSError as error:
        raise AudioFileError(
            f"{folder}: cannot be made ({error.strerror}); choose another --output-dir"
        ) from None
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if _state(folder) == files:
                if before is not None:
                    write_text(path, before)
                else:
                    path.unlink(missing_ok=True)
                    folder.rmdir()  # unless something is in it
        raise


def _own_folders(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """A recording's folder and those below it, each with its files, but for those of another recording.

    (`song/vocals` is that of `vocals.wav` in a folder `song`. It has a report, or is just about to get it.)
    """
    for place, below, files in os.walk(folder):
        if Path(place) != folder and any(REPORT in name for name in files):
            below.clear()
        else:
            yield Path(place), files


def _state(folder: Path) -> dict[Path, tuple[int, int]]:
    """The files that were made of a recording, and what tells each from one that replaces it."""
    paths = (own / name for own, names in _own_folders(folder) for name in names if name != REPORT)
    return {path: (found.st_ino, found.st_mtime_ns) for path in paths for found in [path.stat()]}
