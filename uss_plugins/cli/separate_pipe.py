"""`uss-plugins separate -`: from standard input, to standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from registry.errors import UserError
from uss_plugins.audio.pipes import STANDARD
from uss_plugins.cli.separate_options import SeparateOptions

OUTPUT_DIR = Path("separated")


def choose_output(files: Sequence[Path], output_dir: Path | None) -> Path:
    """Where results go if nobody says: for `-` alone to standard output, else into a folder."""
    if output_dir is not None:
        return output_dir
    return STANDARD if list(files) == [STANDARD] else OUTPUT_DIR


def check_pipes(files: Sequence[Path], options: SeparateOptions) -> None:
    """Refuse what standard input or output cannot serve."""
    if STANDARD in files and (options.by_nodes or options.jobs > 1):
        raise UserError(
            "standard input is read once, by one process; save it as a file for --levels, --node, --jobs"
        )
    if options.output_dir == STANDARD:
        if len(files) != 1 or files[0].is_dir() or options.by_nodes or options.as_json:
            raise UserError(
                "standard output takes one part of one recording, and no --json; choose an --output-dir"
            )
        if sys.stdout.isatty():
            raise UserError(
                "standard output is a terminal; lead it somewhere, or choose an --output-dir"
            )


def separate_to_output(path: Path, options: SeparateOptions) -> int:
    """Separate one recording into standard output; what there is to say goes to standard error."""
    from uss_plugins.cli.separate_files import progress_bar
    from uss_plugins.cli.separate_run import open_separator
    from uss_plugins.separation.report import silence, warnings

    separate_one = open_separator(options, sys.stdout.buffer)
    with progress_bar(path) as progress:
        separation, _ = separate_one(path, STANDARD, progress)
    for line in (*silence(separation), *warnings(separation)):
        click.echo(f"warning: {line}", err=True)
    return 0
