"""Learning curves from the CSV logs that Lightning leaves beside a training."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from uss_plugins.benchmarking.results import CurvePoint

COLUMNS = {"loss": "loss", "validation_loss": "val_loss", "validation_sdri": "val_sdri"}
"""Field of `CurvePoint` -> column of the log."""
LONGEST = 200
"""Points of a curve; of a longer training every so many-th is kept, and all validations."""


def read_curve(folder: Path) -> tuple[CurvePoint, ...]:
    """The curve of the training in `folder`, in the order of its steps, counted from 1.

    An interrupted training has several logs; where they overlap, the later one counts. In those, Lightning
    counts a step too many, so validations are put where they are: at multiples of the first one's step.
    """
    logs = sorted(
        (folder / "logs" / "csv").glob("version_*/metrics.csv"),
        key=lambda path: int(path.parent.name.partition("_")[2]),
    )
    points: dict[int, dict[str, float]] = {}
    every: int | None = None
    for log in logs:
        with log.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        first = min((int(row["step"]) for row in rows), default=0)
        points = {step: values for step, values in points.items() if step <= first}
        for row in rows:
            step = int(row["step"]) + 1
            if told(row.get(COLUMNS["validation_loss"])):
                every = every or step
                step -= step % every
            values = points.setdefault(step, {})
            values |= {name: float(row[key]) for name, key in COLUMNS.items() if told(row.get(key))}
    curve = [CurvePoint(step, **points[step]) for step in sorted(points) if points[step]]
    stride = -(-len(curve) // LONGEST)
    return tuple(
        point
        for place, point in enumerate(curve)
        if place % stride == 0 or point.validation_sdri is not None
    )


def told(text: str | None) -> bool:
    """Whether a log's entry is a figure: NaN is none."""
    return bool(text) and math.isfinite(float(text or "nan"))
