"""What a grid found, and its file `grid.json`.

The file is `GridResults` field by field, so the docstrings here are its schema; levels are in dB, times in
seconds. Every finished piece of work leaves an `Outcome` in its own folder, from which the file is gathered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from registry.errors import UserError
from uss_plugins.benchmarking.grid import Budget
from uss_plugins.benchmarking.machine import Machine
from uss_plugins.evaluation.results import Interval, read_layout
from uss_plugins.files import write_text

SCHEMA_VERSION = 1
OUTCOME = "outcome.json"
MIXTURE, TARGET, ESTIMATE = "mixture.wav", "target.wav", "estimate.wav"
"""What a cell leaves for its player."""

State = Literal["done", "failed", "impossible", "not run"]
Kind = Literal["corpus", "tagger", "anchors", "mixtures", "cell"]


@dataclass(frozen=True)
class CurvePoint:
    """A place of a learning curve; None for what was not measured at that step."""

    step: int
    loss: float | None = None
    validation_loss: float | None = None
    validation_sdri: float | None = None


@dataclass(frozen=True)
class CellFigures:
    """What a cell measured.

    sdri, oracle_sdri: mean over classes of the median SDR improvement within a class, queries from the bank
        and from the clean target, with their 95 % bootstrap intervals.
    leak: the same of the estimate's level under the mixture where the class is absent; None without such
        mixtures.
    class_sdri: class -> SDRi by bank of each of its mixtures: what `sdri` is made of.
    mixtures: digest of the evaluation set. Figures of two cells are paired if theirs is the same.
    parameters: of separator, embedding strategy and query net. trained_parameters: those that training
        changes. separator_parameters: of the separator.
    giga_macs_per_second: 10**9 multiply-accumulates of the separator for a second of audio; FFTs not counted.
    real_time_factor: seconds that the separator takes for a second of audio, one recording at a time, in its
        form for inference where it has one.
    training_step_seconds: median of a training step, its batch read, alone before the training.
    steps: of the training. training_seconds: of its steps and validations, over all interruptions.
    validation_sdri: best mean SDRi over the validation mixtures, whose weights the cell keeps; None where no
        validation mixture had an interferer.
    peak_memory_bytes: the most that the process held while it trained: resident memory with all libraries;
        with CUDA, the tensors on the device.
    device: what it ran on.
    example_sdri: of the mixture that all cells' players share. curve: of the training.
    """

    sdri: Interval
    oracle_sdri: Interval
    leak: Interval | None
    class_sdri: dict[str, tuple[float, ...]]
    mixtures: str
    parameters: int
    trained_parameters: int
    separator_parameters: int
    giga_macs_per_second: float
    real_time_factor: float
    training_step_seconds: float
    steps: int
    training_seconds: float
    validation_sdri: float | None
    peak_memory_bytes: int
    device: str
    example_sdri: float
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Outcome:
    """How a piece of work ended.

    kind, name: what it was. error: why it failed, in one line; None if it did not.
    seconds: since its process began, after the last interruption.
    finished: UTC, ISO 8601. machine, versions: what it ran on and with, the distributions of all plug-ins
        among them; None if it never ran.
    figures: what a shared stage has to tell. cell: what a cell measured.
    """

    kind: Kind
    name: str
    error: str | None
    seconds: float
    finished: str
    machine: Machine | None = None
    versions: dict[str, str] | None = None
    figures: dict[str, Any] | None = None
    cell: CellFigures | None = None


@dataclass(frozen=True)
class Row:
    """A combination.

    labels: axis -> its choice. state: "done"; "failed" or "impossible", for `reason`; "not run" yet.
    folder: of the cell, relative to the grid's; None where it is impossible.
    figures: of a cell that is done. machine, versions: of one that ran.
    """

    labels: dict[str, str]
    state: State
    reason: str | None = None
    folder: str | None = None
    figures: CellFigures | None = None
    machine: Machine | None = None
    versions: dict[str, str] | None = None

    @property
    def name(self) -> str:
        """The labels in the order of the axes."""
        return " · ".join(self.labels.values())


@dataclass(frozen=True)
class GridResults:
    """One grid.

    schema_version: of this layout. created: when the file was made, UTC, ISO 8601.
    grid: the grid file's name. budget: of each cell's training. axes: axis -> labels, in order.
    jobs: cells that ran at the same time on one machine, where timings share it. processes: that the cells
        were dealt out over.
    interval_method: how the intervals of SDRi and leak were made, in words.
    stages: what the cells share, as it ended: corpus, taggers, anchors, evaluation mixtures.
    rows: every combination, in the order of the axes.
    """

    schema_version: int
    created: str
    grid: str
    budget: Budget
    axes: dict[str, tuple[str, ...]]
    jobs: int
    processes: int
    machine: Machine
    versions: dict[str, str]
    interval_method: str
    stages: tuple[Outcome, ...]
    rows: tuple[Row, ...]

    def done(self) -> list[tuple[Row, CellFigures]]:
        """The rows that have figures."""
        return [(row, row.figures) for row in self.rows if row.figures is not None]


_RESULTS = TypeAdapter(GridResults)
_OUTCOME = TypeAdapter(Outcome)


def to_json(results: GridResults) -> str:
    """The text of `grid.json`."""
    return _RESULTS.dump_json(results, indent=1).decode()


def read_grid_results(path: Path) -> GridResults:
    """A grid's results from `grid.json`, or from the folder that has it.

    Raises:
        UserError: the file cannot be read or does not have this layout.
    """
    path = path / "grid.json" if path.is_dir() else path
    return read_layout(path, _RESULTS, "grid.json", SCHEMA_VERSION, "run benchmark")


def store_outcome(folder: Path, outcome: Outcome) -> None:
    """Leave an outcome in its folder, whole or not at all."""
    write_text(folder / OUTCOME, _OUTCOME.dump_json(outcome, indent=1).decode())


def read_outcome(folder: Path) -> Outcome | None:
    """The outcome in a folder; None if its work has not ended.

    Raises:
        UserError: the outcome is damaged, or of another layout.
    """
    path = folder / OUTCOME
    try:
        return _OUTCOME.validate_json(path.read_bytes(), strict=False)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise UserError(
            f"{path}: no outcome of this version ({error.errors()[0]['msg']}); remove it to run this again"
        ) from None


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
