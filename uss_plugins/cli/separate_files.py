"""One recording after the other, or several at once, for the verb `separate`: results, warnings, errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.errors import UserError
from uss_plugins.cli.separate_options import SeparateOptions

if TYPE_CHECKING:
    from uss_plugins.launched import Place
    from uss_plugins.separation.many.listing import Task
    from uss_plugins.separation.many.workers import Died
    from uss_plugins.separation.recording import Separation

Progress = Callable[[int, int], None]
SeparateOne = Callable[[Path, Path, "Progress | None"], "tuple[Separation, dict[str, Path]]"]
"""Recording, folder, progress -> what was made, and the pages that tell of it: what they are -> path."""


@dataclass(frozen=True)
class Outcome:
    """What came of one recording, in plain values.

    result: for `--json`; entry: for the manifest.
    lines, warnings: for people, on standard output and standard error.
    """

    result: dict[str, Any]
    entry: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def separate_all(files: Sequence[Path], options: SeparateOptions) -> int:
    """Separate this process's share of the recordings and say what was made; the exit code."""
    from uss_plugins.launched import launched_place
    from uss_plugins.separation.many.listing import list_tasks
    from uss_plugins.separation.many.manifest import Manifest, manifest_path

    place = launched_place()
    tasks = place.share_of(list_tasks(files, options.output_dir))
    results: dict[int, dict[str, Any]] = {}
    with (
        closing(_outcomes(tasks, options, place)) as outcomes,
        Manifest(manifest_path(options.output_dir, place)) as manifest,
    ):
        for task, outcome in outcomes:
            manifest.add(outcome.entry)
            for warning in outcome.warnings:
                click.echo(warning, err=True)
            if not options.as_json:
                for line in outcome.lines:
                    click.echo(line)
            results[task.index] = outcome.result
    if options.as_json:
        click.echo(json.dumps({"recordings": [results[one] for one in sorted(results)]}, indent=2))
    failed = sum("error" in result for result in results.values())
    # A launcher ends all processes as soon as one fails; what failed here is in the manifest.
    return 2 if failed and place.world_size == 1 else 0


def _outcomes(
    tasks: Sequence[Task], options: SeparateOptions, place: Place
) -> Generator[tuple[Task, Outcome], None, None]:
    from uss_plugins.cli.separate_run import prepare_work
    from uss_plugins.separation.many.workers import run_in_workers

    if options.jobs == 1:
        work = prepare_work(0, options=options, place=place)
        for task in tasks:
            with progress_bar(task.path) as progress:
                yield task, work(task, progress)
        return
    prepare = partial(prepare_work, options=options, place=place)
    with closing(run_in_workers(prepare, tasks, options.jobs)) as done:
        for task, result in done:
            yield task, result if isinstance(result, Outcome) else death(task, options, result)


def death(task: Task, options: SeparateOptions, died: Died) -> Outcome:
    """What is told of a recording whose process ended in the middle of it."""
    return failure(
        task,
        options,
        {},
        f"{task.path}: the process that separated it ended with code {died.exit_code}, perhaps for want of"
        " memory; try it by itself, or fewer --jobs",
    )


def failure(task: Task, options: SeparateOptions, source: dict[str, Any], message: str) -> Outcome:
    """What is told of a recording of which nothing was made."""
    from uss_plugins.separation.names import input_name
    from uss_plugins.separation.report import manifest_entry

    name = input_name(task.path)
    entry = manifest_entry(name, source, options.output_dir, task.folder, None, message)
    return Outcome({"input": name, "error": message}, entry, warnings=[f"error: {message}"])


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
