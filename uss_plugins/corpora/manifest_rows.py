"""The rows of a manifest: read from CSV or Parquet, and checked, all bad ones in one report."""

from __future__ import annotations

import csv
import functools
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import UserError, nearest
from uss_plugins.audio.files import AudioFileError, AudioReader
from uss_plugins.labels.audioset import find_class
from uss_plugins.labels.lookup import UnknownClassError

REPORTED_ROWS = 20
ROUNDING_SECONDS = 1e-3
"""Times in manifests are rounded: an end this much after the file's is the file's end."""


class BadRowsError(UserError):
    """Rows that cannot be used: the first line says how many, the others which and why."""


@dataclass(frozen=True)
class Row:
    """A usable row.

    labels: names of classes.
    sample_rate: Hz, the file's.
    start_samples, stop_samples: the clip in the file, at that rate; the stop is not part of it.
    """

    path: Path
    labels: tuple[str, ...]
    sample_rate: int
    start_samples: int
    stop_samples: int


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a CSV or Parquet file, each as column -> value; absent values are None or "".

    Raises:
        UserError: the file cannot be read, or lacks a column that a manifest must have.
    """
    try:
        columns, rows = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"manifest {path}: cannot be read ({error}); check the path") from error
    missing = [column for column in ("path", "labels") if column not in columns]
    if missing:
        raise UserError(
            f"manifest {path}: has no column {' and no column '.join(missing)}, "
            f"only {', '.join(columns) or 'an empty line'}; name its columns in the first line"
        )
    if not rows:
        raise UserError(f"manifest {path}: has no rows; list at least one clip")
    return rows


def read_labels(value: Any, separator: str) -> tuple[str, ...]:
    """Names of the classes in one cell, in order, each once.

    The cell is a list, a JSON list, or text in which `separator` stands between the labels.

    Raises:
        ValueError: the cell begins like a JSON list and is none.
    """
    if isinstance(value, str):
        text = value.strip()
        value = json.loads(text) if text.startswith("[") else text.split(separator)
    if not isinstance(value, (list, tuple)):
        value = [] if value is None else [value]
    labels = (str(label).strip() for label in value)
    return tuple(dict.fromkeys(class_identity(label)[0] for label in labels if label))


@functools.cache
def class_identity(label: str) -> tuple[str, str]:
    """Name and id of the class that a label means.

    They are AudioSet's if the label is exactly one of its names or machine ids, else the label.
    """
    try:
        found = find_class(label)
    except UnknownClassError:
        return label, label
    if label in (found.name, found.machine_id):
        return found.name, found.machine_id
    return label, label


def check_rows(
    rows: Iterable[tuple[int, Mapping[Any, Any]]],
    manifest: Path,
    label_separator: str,
    class_names: Collection[str],
) -> list[Row]:
    """The usable form of numbered rows; only the headers of the audio files are read.

    Raises:
        BadRowsError: of all rows that cannot be used, with everything that is wrong with each.
    """
    files: dict[Path, tuple[int, int] | str] = {}
    good: list[Row] = []
    bad: list[tuple[int, str]] = []
    for number, row in rows:
        labels, problems = _check_labels(row, label_separator, class_names)
        clip = _check_clip(row, manifest.parent, labels, files, problems)
        if clip is None or problems:
            bad.append((number, "; ".join(problems)))
        else:
            good.append(clip)
    if bad:
        raise _bad_rows(manifest, bad)
    return good


def _bad_rows(manifest: Path, bad: Sequence[tuple[int, str]]) -> BadRowsError:
    """The report of rows by number and reason, shortened after 20."""
    rows = "1 row" if len(bad) == 1 else f"{len(bad)} rows"
    first = f"manifest {manifest}: {rows} cannot be used; correct or remove them"
    lines = [f"  row {number}: {reason}" for number, reason in bad[:REPORTED_ROWS]]
    more = len(bad) - REPORTED_ROWS
    lines += [f"  ... and {more} more"] if more > 0 else []
    return BadRowsError("\n".join([f"{first} (row 1 is the first below the header)", *lines]))


def _read_csv(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        return list(reader.fieldnames or ()), list(reader)


def _read_parquet(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(
            f"manifest {path}: reading Parquet needs pyarrow; pip install 'uss-plugins[parquet]'"
        ) from error
    table = parquet.read_table(path)
    return list(table.column_names), list(table.to_pylist())


def _check_labels(
    row: Mapping[Any, Any], separator: str, class_names: Collection[str]
) -> tuple[tuple[str, ...], list[str]]:
    """The class names of a row, and what is wrong with them."""
    if None in row:  # where csv.DictReader puts what has no column
        return (), ["more values than columns; put quotes around a cell that holds commas"]
    try:
        labels = read_labels(row["labels"], separator)
    except ValueError:
        return (), [f"labels {row['labels']!r} are no JSON list; quote each one, close the list"]
    if not labels:
        return (), [f"no labels; give at least one, and {separator!r} between several"]
    unknown = [label for label in labels if label not in class_names]
    return labels, [f"unknown label {label!r}, {nearest(label, class_names)}" for label in unknown]


def _check_clip(
    row: Mapping[Any, Any],
    folder: Path,
    labels: tuple[str, ...],
    files: dict[Path, tuple[int, int] | str],
    problems: list[str],
) -> Row | None:
    """The usable row, if file and times are good; else what is wrong is added to `problems`.

    `files` remembers what `_header` said of each file.
    """
    start, end = (_seconds(row, column, problems) for column in ("start", "end"))
    written = str(row["path"] or "").strip()
    if not written:
        problems.append("no path; name the audio file")
        return None
    path = folder / written
    if path not in files:
        files[path] = _header(path)
    header = files[path]
    if isinstance(header, str):
        problems.append(header)
        return None
    rate, samples = header
    problems += _check_times(start, end, samples / rate)
    stop_samples = samples if end is None else min(samples, round(end * rate))
    return Row(path, labels, rate, round((start or 0.0) * rate), stop_samples)


def _header(path: Path) -> tuple[int, int] | str:
    """Sample rate (Hz) and samples of an audio file, or what is wrong with it."""
    try:
        with AudioReader(path) as reader:
            return reader.sample_rate, reader.samples
    except AudioFileError as error:
        return str(error)


def _seconds(row: Mapping[Any, Any], column: str, problems: list[str]) -> float | None:
    """The time in a column, or None; what is wrong with it is added to `problems`."""
    value = row.get(column)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if math.isfinite(seconds):
        return seconds
    problems.append(f"{column} {value!r} is no time; give seconds, or leave it empty")
    return None


def _check_times(start: float | None, end: float | None, file_seconds: float) -> list[str]:
    """What is wrong with a clip's times in a file."""
    first = 0.0 if start is None else start
    problems = []
    if first < 0:
        problems.append(f"start {first:g} s is negative; count from the file's beginning")
    if end is not None and end <= first:
        problems.append(f"end {end:g} s is not after start {first:g} s; swap or correct them")
    for name, seconds in (("start", first), ("end", end)):
        if seconds is not None and seconds > file_seconds + ROUNDING_SECONDS:
            problems.append(
                f"{name} {seconds:g} s is beyond the file's end, {file_seconds:g} s; correct it"
            )
    if not problems and end is None and first >= file_seconds:
        problems.append(f"start {first:g} s is the file's end; correct it")
    return problems
