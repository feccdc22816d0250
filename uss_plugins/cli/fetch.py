"""`uss-plugins fetch`: published weights, when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.errors import UserError

if TYPE_CHECKING:
    from uss_plugins.weights.download import Progress


@click.command("fetch")
@click.argument("name", required=False)
@click.option(
    "--from-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Take this file, already downloaded, not the network's.",
)
def fetch(name: str | None, from_file: Path | None) -> None:
    """Download the published weights NAME into the cache, and print where they are.

    Without NAME, list what is published, with sizes and licences; that needs no network. A broken download
    goes on where it stopped. Size and hash are verified; where no hash is published, that of the first
    download is kept and compared from then on. The cache is the platform's, or the folder that the
    environment variable USS_PLUGINS_CACHE names.
    """
    if name is None:
        if from_file is not None:
            raise UserError("--from-file needs the NAME of the weights that it is")
        click.echo(table())
        return
    from uss_plugins.weights import cache
    from uss_plugins.weights.catalogue import find_published

    weights = find_published(name)
    folder = cache.cache_folder()
    if from_file is not None:
        path = cache.adopt(weights, from_file, folder)
    else:
        with progress_bar(weights.name) as progress:
            path, fresh = cache.fetch(weights, folder, progress)
        click.echo("downloaded" if fresh else "in the cache already", err=True)
    click.echo(path)


def table() -> str:
    """The published weights, a paragraph each."""
    from uss_plugins.weights.catalogue import published

    return "\n".join(
        f"{one.name}: {one.summary}\n"
        f"  {f'{one.bytes / 1e6:.0f} MB' if one.bytes else 'size not published'}, licence: {one.licence}\n"
        f"  {one.url}"
        for one in published()
    )


@contextmanager
def progress_bar(name: str) -> Iterator[Progress]:
    """Bytes done, speed and time to go, on standard error if somebody watches."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
