"""A grid of the smallest components, and results that nothing had to be run for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from training.tiny_recipe import tiny_tree

from uss_plugins.benchmarking.grid import Budget
from uss_plugins.benchmarking.machine import Machine
from uss_plugins.benchmarking.results import CellFigures, CurvePoint, GridResults, Row
from uss_plugins.evaluation.results import Interval

SHORT = {"steps": 4, "validate_every": 2}
MACHINE = Machine("Linux x86_64", "a processor", 2, 1, 2**33, ())
AXES = {
    "query_nets": ["cnn_small", {"name": "cnn_small", "label": "wide", "channels": [8, 8]}],
    "embeddings": ["soft", {"name": "learnable", "condition_size": 8, "hidden_size": 8}],
    "separators": [
        "resunet_small",
        {"name": "resunet_small", "label": "deep", "blocks_per_stage": 2},
    ],
}


def write_grid(folder: Path, name: str = "grid.yaml", **keys: Any) -> Path:
    """A grid file in `folder`, over the tiny recipe beside it; `keys` replace the grid's own."""
    recipe = tiny_tree(tagger=SHORT, training=SHORT)
    recipe["evaluation"] = {
        "pairs_per_class": 2,
        "absent_per_class": 1,
        "segment_seconds": 1.0,
        "bootstrap_samples": 50,
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    grid = {"extends": "tiny.yaml", "budget": {"steps": 4, "validations": 2}, **AXES, **keys}
    path = folder / name
    path.write_text(yaml.safe_dump(grid), encoding="utf-8")
    return path


def figures(sdri: float, real_time_factor: float = 0.1, **changes: Any) -> CellFigures:
    """Figures of a cell, made up."""
    given: dict[str, Any] = {
        "sdri": Interval(sdri, sdri - 0.5, sdri + 0.5),
        "oracle_sdri": Interval(sdri + 1, sdri, sdri + 2),
        "leak": Interval(-10.0, -11.0, -9.0),
        "class_sdri": {"Speech": (sdri - 1, sdri, sdri + 1), "Rain": (sdri,)},
        "mixtures": "0123",
        "parameters": 1_500_000,
        "trained_parameters": 1_000_000,
        "separator_parameters": 1_000_000,
        "giga_macs_per_second": 0.25,
        "real_time_factor": real_time_factor,
        "training_step_seconds": 0.05,
        "steps": 4,
        "training_seconds": 2.5,
        "validation_sdri": sdri,
        "peak_memory_bytes": 600_000_000,
        "device": "cpu",
        "example_sdri": sdri,
        "curve": (CurvePoint(2, loss=1.0), CurvePoint(4, validation_sdri=sdri)),
    }
    return CellFigures(**{**given, **changes})


def results_of(*rows: Row, name: str = "grid.yaml") -> GridResults:
    """Results with these rows."""
    axes = {axis: tuple(dict.fromkeys(row.labels[axis] for row in rows)) for axis in rows[0].labels}
    return GridResults(
        schema_version=1,
        created="2024-01-01T00:00:00+00:00",
        grid=name,
        budget=Budget(steps=4),
        axes=axes,
        jobs=1,
        processes=1,
        machine=MACHINE,
        versions={"python": "3.11"},
        interval_method="bootstrap",
        stages=(),
        rows=rows,
    )


def row(embedding: str, separator: str, cell: CellFigures | None = None, **more: Any) -> Row:
    """A combination with figures, or in the state that is given."""
    labels = {"query_net": "cnn_small", "embedding": embedding, "separator": separator}
    if cell is not None:
        return Row(labels, "done", folder=f"cells/{embedding}-{separator}", figures=cell)
    return Row(labels, **{"state": "impossible", **more})
