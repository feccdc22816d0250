"""One recording after the other, for the verb `separate`: results, warnings, errors and a progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.errors import UserError

if TYPE_CHECKING:
    from uss_plugins.separation.recording import Separation

Progress = Callable[[int, int], None]
SeparateOne = Callable[[Path, Path, "Progress | None"], "tuple[Separation, dict[str, Path]]"]
"""Recording, folder, progress -> what was made, and the pages that tell of it: what they are -> path."""


def separate_all(
    files: Sequence[Path], separate_one: SeparateOne, output_dir: Path, as_json: bool
) -> int:
    """Separate one recording after the other and say what was made; the exit code."""
    from uss_plugins.separation.names import output_folder
    from uss_plugins.separation.report import describe, summarise, warnings, write_report

    taken: set[str] = set()

    def run(path: Path) -> dict[str, Any]:
        folder = output_folder(output_dir, path, taken)
        with progress_bar(path) as progress:
            separation, pages = separate_one(path, folder, progress)
        write_report(separation, folder)
        for warning in warnings(separation):
            click.echo(f"warning: {warning}", err=True)
        if not as_json:
            click.echo(summarise(separation, folder))
            for page in pages.values():
                click.echo(f"  {page.relative_to(folder)}")
        shown = {name: str(page.resolve()) for name, page in pages.items()}
        return {**describe(separation), "folder": str(folder.resolve()), **shown}

    return for_each(files, run, as_json)


def for_each(files: Sequence[Path], run: Callable[[Path], dict[str, Any]], as_json: bool) -> int:
    """Run for each recording; one that fails gets a line, and the exit code is 2."""
    results: list[dict[str, Any]] = []
    for path in dict.fromkeys(files):
        try:
            results.append(run(path))
        except UserError as error:
            click.echo(f"error: {error}", err=True)
            results.append({"input": str(path.resolve()), "error": str(error)})
    if as_json:
        click.echo(json.dumps({"recordings": results}, indent=2))
    return 2 if any("error" in result for result in results) else 0


@contextmanager
def progress_bar(path: Path) -> Iterator[Progress | None]:
    """A bar on standard error that takes samples done and samples in all; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=path.name, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(done, total)
            bar.update(done - bar.pos)

        yield show
