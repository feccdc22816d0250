"""`uss-plugins import`: a checkpoint of the released systems, as a folder of this one."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(path_type=Path)


@click.command("import")
@click.argument("file", metavar="FILE", type=FILE)
@click.option(
    "--output", metavar="MODEL_DIR", required=True, type=FILE, help="The folder that is made."
)
@click.option(
    "--recipe",
    metavar="YAML",
    type=FILE,
    help="Use this recipe's components and training, not the released system's.",
)
@click.option(
    "--query-net",
    type=click.Choice(["cnn14", "cnn14_decision_level_max"]),
    help="Which net a PANNs file is for, where its name does not say.",
)
def import_checkpoint(file: Path, output: Path, recipe: Path | None, query_net: str | None) -> None:
    """Make a folder that the other verbs read from a checkpoint FILE.

    FILE is a training checkpoint of the released USS (a model, with its sound event detector in
    MODEL_DIR/detector), a PANNs file (a tagger), or a checkpoint with AudioSep's separator (that alone). What
    it is gets told by its keys and shapes. Every key is used, dropped for a reason that is named, or an
    error; nothing that a pickle names is run.
    """
    from uss_plugins.separation.importing import folders, report

    imported = folders.import_checkpoint(file, output, recipe=recipe, query_net=query_net)
    click.echo(report.summarise(imported, output))
