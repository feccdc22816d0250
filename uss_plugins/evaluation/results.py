"""What an evaluation found, and its file `results.json`.

The file is `Results` field by field, so the docstrings here are its schema; all levels are in dB.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from registry.errors import UserError
from uss_plugins.evaluation.protocol import Pair
from uss_plugins.evaluation.section import EvaluationSection

SCHEMA_VERSION = 1

METRICS = {
    "sdr": "SDR",
    "sdr_improvement": "SDRi",
    "si_sdr": "SI-SDR",
    "si_sdr_improvement": "SI-SDRi",
}
"""Field of `Scores` -> its usual name."""


@dataclass(frozen=True)
class Scores:
    """The four metrics of one estimate, or their medians over estimates (dB)."""

    sdr: float
    sdr_improvement: float
    si_sdr: float
    si_sdr_improvement: float


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval, from `low` to `high`."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class PairScore:
    """Scores of one mixture that holds its target.

    bank: when the query is the class's mean embedding in the model's query bank.
    oracle: when it is computed from the clean target.
    mixture: when it is what the query net hears of the class in the mixture; None unless `mixture_query`.
    """

    pair: Pair
    bank: Scores
    oracle: Scores
    mixture: Scores | None = None


@dataclass(frozen=True)
class LeakScore:
    """What a mixture without the target leaks: energy of the estimate over the mixture's."""

    pair: Pair
    leak: float


@dataclass(frozen=True)
class ClassResult:
    """Medians over the pairs of one class; None where it has none."""

    name: str
    id: str
    pair_count: int
    absent_count: int
    bank: Scores | None
    oracle: Scores | None
    leak: float | None
    mixture: Scores | None = None


@dataclass(frozen=True)
class Results:
    """One evaluation.

    schema_version: of this layout.
    created: end of the run, UTC, ISO 8601.
    model, recipe: as they were given. parameter_count: of the whole model, query net included.
    device: what it ran on. sample_rate: Hz. wall_seconds: of the run, reading included.
    settings: the recipe's evaluation section; its `seed` decides the pairs and the intervals.
    versions: package -> version.
    interval_method: how the intervals were made, in words.
    bank, oracle: metric -> mean over classes of the medians within each class.
    mixture: the same when the query is heard in the mixture; None unless `mixture_query`.
    leak: the same for mixtures without the target; None if there are none.
    skipped: what could not be mixed, and why.
    classes: every class of the model. pairs, leaks: every mixture.
    """

    schema_version: int
    created: str
    model: str
    recipe: str
    parameter_count: int
    device: str
    sample_rate: int
    wall_seconds: float
    settings: EvaluationSection
    versions: dict[str, str]
    interval_method: str
    bank: dict[str, Interval]
    oracle: dict[str, Interval]
    leak: Interval | None
    skipped: tuple[str, ...]
    classes: tuple[ClassResult, ...]
    pairs: tuple[PairScore, ...]
    leaks: tuple[LeakScore, ...]
    mixture: dict[str, Interval] | None = None


_SCHEMA = TypeAdapter(Results)
T = TypeVar("T")


def to_json(results: Results) -> str:
    """The text of `results.json`."""
    return _SCHEMA.dump_json(results, indent=1).decode()


def read_results(path: Path) -> Results:
    """Results from their file.

    Raises:
        UserError: the file cannot be read or does not have the layout of `Results`.
    """
    return read_layout(path, _SCHEMA, "results.json", SCHEMA_VERSION, "evaluate again")


def read_layout(path: Path, schema: TypeAdapter[T], name: str, version: int, remedy: str) -> T:
    """What a JSON file of a versioned layout holds; `name` and `remedy` are for messages.

    Raises:
        UserError: the file cannot be read, has another layout or another `schema_version`.
    """
    try:
        stored = schema.validate_json(path.read_bytes(), strict=False)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; {remedy}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: no {name}: {where}: {first['msg']}; {remedy}") from None
    found = stored.schema_version  # type: ignore[attr-defined]  # every layout has one
    if found != version:
        raise UserError(f"{path}: layout {found}, this version reads {version}; {remedy}")
    return stored


def results_table(results: Results) -> Table:
    """The results for a terminal of 80 columns or more: a row for each class, then the means.

    "bank" is the query from the bank, "clean" the one from the clean target, "mixture" the one that is heard
    in the mixture.
    """
    title = f"{escape(results.model)}: medians within classes (dB)"
    table = Table(title=title, show_footer=True, box=SIMPLE, padding=0, pad_edge=False)
    table.add_column("class", footer="mean over classes")
    table.add_column("pairs", footer=str(len(results.pairs)), justify="right", min_width=5)
    for title, summary in (("bank", results.bank), ("clean", results.oracle)):
        for metric, name in METRICS.items():
            mean = f"{summary[metric].value:.1f}"
            width = max(5, len(name))
            table.add_column(f"{name}\n{title}", mean, justify="right", min_width=width)
    if results.mixture is not None:
        mean = f"{results.mixture['sdr_improvement'].value:.1f}"
        table.add_column("SDRi\nmixture", mean, justify="right", min_width=7)
    leak = "-" if results.leak is None else f"{results.leak.value:.1f}"
    table.add_column("leak\nabsent", leak, justify="right", min_width=6)
    for row in results.classes:
        cells = [
            "-" if scores is None else f"{getattr(scores, metric):.1f}"
            for scores in (row.bank, row.oracle)
            for metric in METRICS
        ]
        if results.mixture is not None:
            cells.append("-" if row.mixture is None else f"{row.mixture.sdr_improvement:.1f}")
        leak = "-" if row.leak is None else f"{row.leak:.1f}"
        table.add_row(escape(row.name), str(row.pair_count), *cells, leak)
    return table
