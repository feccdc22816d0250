"""`uss-plugins separate`: extract sounds from recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from uss_plugins.audio.pipes import STANDARD
from uss_plugins.cli.separate_choice import check_choice
from uss_plugins.cli.separate_options import (
    FILE,
    SeparateOptions,
    machine_options,
    ontology_options,
    output_options,
    query_options,
    segment_options,
)
from uss_plugins.cli.separate_pipe import check_pipes, choose_output, separate_to_output
from uss_plugins.cli.several_values import SeveralValuesCommand


@click.command("separate", cls=SeveralValuesCommand)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@click.option(
    "--model", "model_dir", metavar="MODEL_DIR", required=True, type=FILE, help="Trained model."
)
@query_options
@ontology_options
@segment_options
@output_options
@machine_options
def separate(files: tuple[Path, ...], **given: Any) -> int:
    """Extract sounds from recordings.

    FILE is a recording, a folder of them, a text file that lists them, or `-` for a WAV on standard input.
    The sounds are chosen by --classes, by --query, by --text, by the ontology (--levels, --node), or else are
    all the classes that are heard. Give the recordings before --query.

    Run again it does what is missing. What came of each recording is added to DIR/manifest.jsonl. One that
    cannot be separated gets a line, and in the end the exit code is 2; the others are done. Launched by
    torchrun or SLURM, the processes share the recordings, each with a manifest of its own, and the exit code
    tells nothing of single recordings.
    """
    output_dir = choose_output(files, given["output_dir"])
    options = SeparateOptions(**{**given, "output_dir": output_dir})
    check_choice(options)
    check_pipes(files, options)
    from uss_plugins.cli.separate_files import separate_all
    from uss_plugins.cli.separate_run import plan_all
    from uss_plugins.cli.stopping import stops_when_told

    with stops_when_told():
        if options.plan:
            return plan_all(files, options)
        if options.output_dir == STANDARD:
            return separate_to_output(files[0], options)
        return separate_all(files, options)
