"""`uss-plugins new`: the package of a plug-in to start from."""

from __future__ import annotations

from pathlib import Path

import click

from registry import UserError, load_plugins
from registry.plugins import canonical_kind
from uss_plugins.scaffold.names import KIND_WORDS, make_names
from uss_plugins.scaffold.plugin import write_plugin


@click.command("new")
@click.argument("name")
@click.option("--kind", required=True, help="query-net, embedding or separator.")
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder that the package's folder is made in; by default the current one.",
)
def new(name: str, kind: str, output_dir: Path) -> None:
    """Write a package NAME with one working component, its entry point, its test, recipes and a README.

    It installs as it is. What it computes is small and made to be replaced.
    """
    canonical = canonical_kind(kind)
    if canonical not in KIND_WORDS:
        known = ", ".join(known.replace("_", "-") for known in KIND_WORDS)
        raise UserError(f"--kind {kind}: there is no template of that kind; choose one of {known}")
    names = make_names(name, canonical, load_plugins())
    folder = write_plugin(names, output_dir)
    click.echo(
        f"{folder}: a package with the {canonical.replace('_', ' ')} {names.package!r}. Next:"
    )
    click.echo(f"  pip install --no-deps --editable {folder}")
    click.echo(f"  uss-plugins check {names.package}")
    click.echo(f"  python -m pytest {folder}")
