"""Recordings and results on disk, for tests of the verb `separate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

CLASSES = ("--classes", "Speech", "--segment-seconds", "0.5")


def write_noise(path: Path, samples: int = 8000, seed: int = 9, rate: int = 16000) -> Path:
    """Noise in one channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).uniform(-0.3, 0.3, samples)
    soundfile.write(path, noise, rate, format="WAV")
    return path


def files_in(folder: Path) -> list[str]:
    """All files, hidden ones too, but the reports and manifests."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "separation.json" and path.suffix != ".jsonl"
    )


def entries_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a manifest."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def report_of(folder: Path) -> dict[str, Any]:
    """The report on one recording."""
    report = json.loads((folder / "separation.json").read_text(encoding="utf-8"))
    assert isinstance(report, dict)
    return report
