"""`uss-plugins separate -`: from standard input, to standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from registry.errors import UserError
from uss_plugins.audio.pipes import STANDARD
from uss_plugins.cli.separate_options import SeparateOptions

OUTPUT_DIR = Path("separated")


def settle_output(files: Sequence[Path], options: SeparateOptions) -> SeparateOptions:
    """Fill in where the results go: for `-` alone to standard output, else into a folder.

    Raises:
        UserError: standard input or output cannot serve what is asked.
    """
    output_dir = options.output_dir
    if not output_dir.parts:
        output_dir = STANDARD if list(files) == [STANDARD] else OUTPUT_DIR
    if STANDARD in files and (options.by_nodes or options.jobs > 1):
        raise UserError(
            "standard input is read once, by one process; save it as a file for --levels, --node, --jobs"
        )
    if output_dir == STANDARD:
        if len(files) != 1 or files[0].is_dir() or options.by_nodes or options.as_json:
            raise UserError(
                "standard output takes one part of one recording, and no --json; choose an --output-dir"
            )
        if sys.stdout.isatty():
            raise UserError(
                "standard output is a terminal; lead it somewhere, or choose an --output-dir"
            )
    return replace(options, output_dir=output_dir)


def separate_to_output(path: Path, options: SeparateOptions) -> int:
    """Separate one recording into standard output; what there is to say goes to standard error."""
    from uss_plugins.cli.separate_files import progress_bar
    from uss_plugins.cli.separate_run import open_separator
    from uss_plugins.separation.report import silence, warnings

    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as stream:
        separate_one = open_separator(options, stream)
        with progress_bar(path) as progress:
            separation, _ = separate_one(path, STANDARD, progress)
    for line in (*silence(separation), *warnings(separation)):
        click.echo(f"warning: {line}", err=True)
    return 0
