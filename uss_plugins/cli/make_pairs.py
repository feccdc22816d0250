"""`uss-plugins make-pairs`: the evaluation mixtures of a recipe as files, in the released layout."""

from __future__ import annotations

from pathlib import Path

import click

from registry.errors import UserError


@click.command("make-pairs")
@click.argument("recipe_file", metavar="RECIPE.yaml", type=click.Path(path_type=Path))
@click.option(
    "--exp-dir",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the experiment (or the shared one) in which mine-anchors left its anchors.",
)
@click.option(
    "--split",
    type=click.Choice(("train", "valid", "test")),
    default="test",
    show_default=True,
    help="Whose segments are mixed; the released layout calls train balanced_train.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Gets the folder 2s_segments_SPLIT and its CSV.",
)
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change a recipe's value.")
def make_pairs(
    recipe_file: Path, exp_dir: Path, split: str, output: Path, overrides: tuple[str, ...]
) -> None:
    """Write the mixtures that evaluate would make of RECIPE, to be read by evaluate --pairs or others.

    Interrupted, it goes on when run again.
    """
    from rich.console import Console
    from rich.progress import Progress

    from uss_plugins.compose import build_corpus
    from uss_plugins.corpora.anchors import AnchorTable
    from uss_plugins.evaluation.pair_folder import folder_name, write_pairs
    from uss_plugins.evaluation.protocol import evaluation_pairs
    from uss_plugins.recipe import load_recipe

    recipe = load_recipe(recipe_file, overrides)
    section, anchors = recipe.evaluation, None
    if section.segments == "mined":
        table = exp_dir / "anchors" / f"{split}.npz"
        if not table.exists():
            raise UserError(f"{table}: no such anchors; run mine-anchors with the same --exp-dir")
        anchors = AnchorTable.load(table)
    corpus = build_corpus(recipe, split)
    pairs = evaluation_pairs(corpus, section, anchors)
    folder = output / folder_name(split, section.segment_seconds)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("writing pairs", total=None)
        count, skipped = write_pairs(
            corpus,
            pairs,
            section.segment_seconds,
            folder,
            settings={
                "recipe": str(recipe_file),
                "split": split,
                "corpus": recipe.corpus.model_dump(mode="json"),
                "evaluation": section.model_dump(mode="json"),
            },
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if not count:
        raise UserError(f"no pair could be written: {skipped[0]}")
    click.echo(f"pairs: {count} of {split}, {len(skipped)} could not be mixed, {folder}")
    for reason in skipped:
        click.echo(f"not mixed: {reason}", err=True)
