"""`uss-plugins separate`: extract sounds from recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

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

    The sounds are chosen by --classes, by --query, by the ontology (--levels, --node), or else are all the
    classes that are heard. Give the recordings before --query. A recording that cannot be separated gets one
    line, and in the end the exit code is 2; the others are done.
    """
    options = SeparateOptions(**given)
    check_choice(options)
    from uss_plugins.cli.separate_files import separate_all
    from uss_plugins.cli.separate_run import open_separator, plan_all

    if options.plan:
        return plan_all(files, options)
    return separate_all(files, open_separator(options), options.output_dir, options.as_json)
