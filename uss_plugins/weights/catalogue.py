"""The table of published weights, `published.csv` beside this file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

from registry.errors import UserError, nearest


@dataclass(frozen=True)
class PublishedWeights:
    """One published file.

    name: what it is called here.
    file: its name where it is published, which tells importers what is in it.
    bytes, sha256: None where they are not published.
    """

    name: str
    file: str
    bytes: int | None
    sha256: str | None
    licence: str
    url: str
    summary: str


def published() -> tuple[PublishedWeights, ...]:
    """All rows of the table."""
    table = resources.files("uss_plugins.weights").joinpath("published.csv")
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return tuple(
        PublishedWeights(
            name=row["name"],
            file=row["file"],
            bytes=int(row["bytes"]) if row["bytes"] else None,
            sha256=row["sha256"] or None,
            licence=row["licence"],
            url=row["url"],
            summary=row["summary"],
        )
        for row in rows
    )


def find_published(name: str) -> PublishedWeights:
    """The weights of that name, in any case.

    Raises:
        UserError: no published weights are called so; the nearest are named.
    """
    known = {one.name: one for one in published()}
    if name.casefold() not in known:
        raise UserError(f"no published weights are called {name!r}; {nearest(name, known)}")
    return known[name.casefold()]
