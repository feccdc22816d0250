"""What became of a checkpoint, for a file beside the weights and for people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

DETECTOR_FOLDER = "detector"


@dataclass(frozen=True)
class Imported:
    """What became of a checkpoint; kept beside the weights as `imported.json`.

    components: kind of component -> name, as imported.
    used, dropped: counts of keys, the dropped ones by reason. Together they are all keys of the file.
    beside: what else the file held, none of it weights.
    query_bank: what stands in for mean conditions of training anchors, which checkpoints do not hold.
    """

    source: str
    bytes: int
    sha256: str
    kind: str
    components: dict[str, str]
    used: int
    dropped: dict[str, int]
    beside: tuple[str, ...]
    query_bank: str | None
    notes: tuple[str, ...]


def sha256(path: Path) -> str:
    """Digest of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def summarise(imported: Imported, output: Path) -> str:
    """A few lines for people."""
    total = imported.used + sum(imported.dropped.values())
    parts = ", ".join(f"{kind} {name}" for kind, name in imported.components.items())
    lines = [f"{imported.source}: {imported.kind} ({parts})", f"{total} keys, all accounted for:"]
    lines.append(f"  {imported.used:5} used")
    lines += [f"  {count:5} dropped: {reason}" for reason, count in imported.dropped.items()]
    if imported.beside:
        lines.append(f"left out, no weights: {', '.join(imported.beside)}")
    if imported.query_bank:
        lines.append(f"query bank: {imported.query_bank}")
    lines += [f"note: {note}" for note in imported.notes]
    lines.append(f"-> {output}")
    if "detector" in imported.components:
        lines.append(f"-> {output / DETECTOR_FOLDER}")
    return "\n".join(lines)
