"""A corpus over audio files of any kind, listed in a CSV or Parquet file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from registry.contracts import ClipUnreadableError
from registry.errors import UserError
from uss_plugins.corpora.manifest_rows import (
    Row,
    check_rows,
    class_identity,
    read_labels,
    read_table,
)


class ManifestCorpus:
    """Weakly labelled clips from any files that soundfile reads; keeps the Corpus contract.

    A manifest's columns: `path` (relative to the manifest's folder or absolute), `labels` (names or
    AudioSet's machine ids), and if wanted `start` and `end` (seconds in the file) and `split`.

    Audio of any rate and number of channels becomes the mean of its channels at `sample_rate`. A
    clip whose peak is over full scale is scaled down to it.
    """

    def __init__(
        self,
        split: str,
        path: str | Mapping[str, str],
        *,
        sample_rate: int = 32000,
        class_names: Sequence[str] | None = None,
        label_separator: str = ";",
    ) -> None:
        """Open the manifest and check every row of the split; of the audio only headers are read.

        split: which clips: those whose column `split` says so, or the manifest of that name.
        path: one manifest with a column `split`, or split -> manifest. `.parquet` files are read as
            Parquet (lists of labels, or text as in CSV), others as CSV.
        sample_rate: Hz, of the audio that `clip` gives.
        class_names: the classes, in order, by name or AudioSet machine id; by default all that the
            labels of all splits name, sorted.
        label_separator: between the labels in a cell. A cell can also hold a JSON list.

        Raises:
            UserError: a manifest cannot be read, or has no such split.
            BadRowsError: all rows that cannot be used, in one report.
        """
        manifest, rows, all_rows = _select(split, path)
        if class_names is None:
            class_names = sorted(_labels_of(all_rows, label_separator))
        classes = dict(class_identity(name) for name in class_names)
        self.sample_rate = sample_rate
        self.class_names = tuple(classes)
        self.class_ids = tuple(classes.values())
        self.rows = check_rows(rows, manifest, label_separator, classes)
        self.labels = np.zeros((len(self.rows), len(classes)), bool)
        index_of = {name: index for index, name in enumerate(classes)}
        for clip, row in enumerate(self.rows):
            self.labels[clip, [index_of[label] for label in row.labels]] = True

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.rows)

    def clip(self, index: int) -> NDArray[np.float32]:
        """Audio of a clip: (samples,), in [-1, 1].

        Raises:
            ClipUnreadableError: the file has changed since the manifest was opened, or is damaged.
        """
        row = self.rows[index]
        audio = _read(row).mean(axis=1)
        if row.sample_rate != self.sample_rate:
            audio = soxr.resample(audio, row.sample_rate, self.sample_rate)
        loud: NDArray[np.float32] = audio / max(1.0, float(np.abs(audio).max(initial=0.0)))
        return loud


NumberedRows = list[tuple[int, dict[str, Any]]]


def _select(
    split: str, path: str | Mapping[str, str]
) -> tuple[Path, NumberedRows, list[dict[str, Any]]]:
    """The manifest of a split, the split's rows by number, and the rows of all splits."""
    if isinstance(path, str):
        manifest = Path(path)
        all_rows = rows = read_table(manifest)
        if "split" not in rows[0]:
            raise UserError(
                f"manifest {manifest}: has no column split; add one, or give one manifest for each "
                f"split: path: {{{split}: {manifest.name}}}"
            )
    else:
        if split not in path:
            raise UserError(f"no manifest for split {split!r}; given: {', '.join(path) or 'none'}")
        tables = {name: read_table(Path(file)) for name, file in path.items()}
        manifest, rows = Path(path[split]), tables[split]
        all_rows = [row for table in tables.values() for row in table]
    if "split" not in rows[0]:
        return manifest, list(enumerate(rows, start=1)), all_rows
    chosen = [(number, row) for number, row in enumerate(rows, start=1) if row["split"] == split]
    if not chosen:
        known = sorted({str(row["split"]) for row in rows})
        raise UserError(
            f"manifest {manifest}: no row of split {split!r}; it has {', '.join(known)}"
        )
    return manifest, chosen, all_rows


def _labels_of(rows: Sequence[Mapping[str, Any]], separator: str) -> set[str]:
    """The names of all classes that the rows' labels mean; labels that cannot be read mean none."""
    names: set[str] = set()
    for row in rows:
        try:
            names.update(read_labels(row["labels"], separator))
        except ValueError:
            continue  # `check_rows` reports it.
    return names


def _read(row: Row) -> NDArray[np.float32]:
    """A clip as it is in its file: (samples, channels)."""
    try:
        audio, rate = soundfile.read(
            row.path,
            start=row.start_samples,
            stop=row.stop_samples,
            dtype="float32",
            always_2d=True,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ClipUnreadableError(f"{row.path}: {error}") from error
    if rate != row.sample_rate or not len(audio):
        raise ClipUnreadableError(
            f"{row.path}: is not the file it was when the manifest was opened"
        )
    if not np.isfinite(audio).all():
        raise ClipUnreadableError(f"{row.path}: holds NaN or infinity; export it again")
    samples: NDArray[np.float32] = audio
    return samples
