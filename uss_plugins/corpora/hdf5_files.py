"""HDF5 files that others made: opened, and held against the layout that they should have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py

from registry.errors import UserError


def open_hdf5(path: Path) -> h5py.File:
    """An HDF5 file to be read.

    Raises:
        UserError: it is not there, or no whole HDF5 file.
    """
    try:
        return h5py.File(path)
    except OSError as error:
        reason = "no such file" if not path.exists() else "not a whole HDF5 file"
        raise UserError(f"{path}: {reason}; check the path, or pack it again") from error


def wrong_datasets(
    file: h5py.File, wanted: Mapping[str, tuple[Sequence[str], tuple[int | None, ...]]]
) -> list[str]:
    """How a file's datasets differ from those wanted, name -> (kinds of dtype, shape); None is any size.

    Kinds are NumPy's letters, or ("int16",) for that type alone.
    """
    problems = []
    for name, (kinds, shape) in wanted.items():
        dataset = find_dataset(file, name)
        if dataset is None:
            problems.append(f"has no dataset '{name}'")
            continue
        fits = len(dataset.shape) == len(shape) and all(
            want in (None, size) for want, size in zip(shape, dataset.shape, strict=True)
        )
        if not fits or {dataset.dtype.kind, dataset.dtype.name}.isdisjoint(kinds):
            exact = "int16 " if "int16" in kinds else ""
            sizes = ", ".join("clips" if size is None else str(size) for size in shape)
            problems.append(
                f"'{name}' is {dataset.dtype} {dataset.shape}, not {exact}of shape ({sizes})"
            )
    lengths = {file[name].shape[0] for name in wanted} if not problems else set()
    if len(lengths) > 1:
        problems.append(f"its datasets differ in length: {sorted(lengths)}")
    return problems


def find_dataset(file: h5py.File, name: str) -> h5py.Dataset | None:
    """A dataset with a shape and a type that NumPy has; None if it is not there or its header is damaged."""
    try:
        dataset = file.get(name)
        known = isinstance(dataset, h5py.Dataset) and None not in (dataset.shape, dataset.dtype)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        return None
    return dataset if known else None
