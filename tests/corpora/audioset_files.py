"""A tiny AudioSet on disk, in the real layouts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from uss_plugins.labels.audioset import classes

HEADER = """# Segments csv created for a test
# num_ytids=3, num_segs=3, num_unique_labels=3, num_positive_labels=3
# YTID, start_seconds, end_seconds, positive_labels
"""


def ytid(number: int) -> str:
    """An id of eleven characters, as YouTube's; some begin with a dash."""
    return f"-id{number:08d}"


def write_segments(path: Path, labels: Sequence[Sequence[int]]) -> Path:
    """A segment CSV; `labels` holds the class indices of each clip."""
    ids = [one.machine_id for one in classes()]
    lines = [
        f'{ytid(number)}, {10 * number}.000, {10 * number + 10}.000, "{",".join(ids[k] for k in own)}"\n'
        for number, own in enumerate(labels)
    ]
    path.write_text(HEADER + "".join(lines), encoding="utf-8")
    return path


def noise(number: int, samples: int) -> np.ndarray:
    """A clip's audio, another for each number."""
    return np.random.default_rng(number).uniform(-0.5, 0.5, samples).astype(np.float32)


def write_wav(folder: Path, number: int, samples: int, rate: int) -> Path:
    """`noise` as the file of segment `number`, in 32-bit float."""
    path = folder / f"Y{ytid(number)}.wav"
    soundfile.write(path, noise(number, samples), rate, subtype="FLOAT")
    return path
