"""`uss-plugins export`: a trained model in the form of another toolkit."""

from __future__ import annotations

from pathlib import Path

import click

from uss_plugins.cli.several_values import SeveralValuesCommand

FILE = click.Path(path_type=Path)


@click.command("export", cls=SeveralValuesCommand)
@click.argument("toolkit", metavar="asteroid", type=click.Choice(["asteroid"]))
@click.argument("model_dir", metavar="MODEL_DIR", type=FILE)
@click.argument("out", metavar="OUT", type=FILE)
@click.option("--classes", metavar="NAME,...", help="Fix these classes: each is a source.")
@click.option(
    "--query",
    "query_files",
    metavar="FILE...",
    multiple=True,
    type=FILE,
    help="Fix what sounds like these recordings, as the one source.",
)
def export(
    toolkit: str, model_dir: Path, out: Path, classes: str | None, query_files: tuple[Path, ...]
) -> None:
    """Write a trained model, its query fixed, for another toolkit.

    OUT is a file that Asteroid's BaseModel.from_pretrained loads once uss_plugins.exporting.asteroid_model is
    imported; `python -m uss_plugins.exporting.asteroid_infer` is asteroid-infer with that done. Give OUT
    before --query.
    """
    from uss_plugins.exporting.asteroid_export import export_asteroid

    sources = export_asteroid(model_dir, out, classes=classes, query_files=query_files)
    click.echo(f"{out}: a model of Asteroid that extracts {', '.join(sources)}")
    click.echo(f"use it: python -m uss_plugins.exporting.asteroid_infer {out} --files FILE...")
