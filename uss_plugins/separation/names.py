"""File and folder names that any class, any recording and any file system can live with."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Container
from pathlib import Path

from uss_plugins.audio.pipes import STANDARD

LONGEST_BYTES = 120
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
REPORT = "separation.json"
STANDARD_NAME = "standard input"


def input_name(recording: Path) -> str:
    """A recording as reports name it: its absolute path, or "-"."""
    return str(recording if recording == STANDARD else recording.resolve())


def safe_name(name: str) -> str:
    """`name` as a file name without suffix: no separators or control characters, not hidden, not too long."""
    kept = "".join(
        letter if letter.isalnum() or letter in " ._-,()'&+" else "_"
        for letter in unicodedata.normalize("NFC", name)
    )
    kept = kept.encode()[:LONGEST_BYTES].decode(errors="ignore").strip(" .")
    if not kept or RESERVED.fullmatch(kept):
        kept += "_"
    return kept


def free_name(name: str, taken: Container[str]) -> str:
    """`name`, or with the first free of (2), (3), ... after it; `taken` holds case-folded names."""
    candidate, count = name, 1
    while candidate.casefold() in taken:
        count += 1
        candidate = f"{name} ({count})"
    return candidate


def output_folder(output_dir: Path, recording: Path, taken: set[str]) -> Path:
    """A folder for what is made of one recording, which no other recording has; it is added to `taken`.

    It is called like the recording without its suffix. Numbers tell recordings of equal names apart, in
    one run (`taken`) and between runs (by the report in the folder).
    """
    base = STANDARD_NAME if recording == STANDARD else safe_name(recording.stem)
    refused = set(taken)
    while True:
        name = free_name(base, refused)
        if _may_use(output_dir / name, recording):
            taken.add(name.casefold())
            return output_dir / name
        refused.add(name.casefold())


def _may_use(folder: Path, recording: Path) -> bool:
    """Whether a folder is new, holds this recording's parts, or nothing but unfinished files."""
    if not folder.exists():
        return True
    try:
        found = {entry.name for entry in folder.iterdir()}
        if REPORT not in found:
            return all(name.endswith(".part") for name in found)
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        return bool(report["input"] == input_name(recording))
    except FileNotFoundError:  # removed just now by a process whose recording was no good
        return True
    except (OSError, ValueError, TypeError, KeyError):
        return False
