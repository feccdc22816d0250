"""`uss-plugins evaluate`: how well a model separates the test split of a recipe's corpus."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.errors import UserError
from uss_plugins.cli.separate_options import precision_option

if TYPE_CHECKING:
    from registry.contracts import Corpus

LOG_WIDTH = 120
"""Columns of the table when nobody's terminal limits it."""


@click.command("evaluate")
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.argument("recipe_file", metavar="RECIPE.yaml", type=click.Path(path_type=Path))
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@precision_option("fp32")
@click.option("--anchors", type=click.Path(path_type=Path), help="Mined anchors of the test split.")
@click.option(
    "--pairs",
    "pair_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder of stored mixtures, such as make-pairs writes, instead of the corpus.",
)
@click.option(
    "--output-dir", type=click.Path(path_type=Path), help="[default: MODEL_DIR/evaluation]"
)
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change a recipe's value.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON, nothing else.")
def evaluate(
    model_dir: Path,
    recipe_file: Path,
    device: str,
    precision: str,
    anchors: Path | None,
    pair_dir: Path | None,
    output_dir: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Mix pairs of classes from the test split, separate them with MODEL_DIR, and score the result.

    Queries are the classes' mean embeddings in the model's bank and, beside it, the clean targets.
    Writes results.json and report.html to the output directory.
    """
    from rich.console import Console

    from uss_plugins.compose import build_corpus
    from uss_plugins.corpora.anchors import AnchorTable
    from uss_plugins.evaluation.examples import median_examples
    from uss_plugins.evaluation.pair_folder import PairFolder
    from uss_plugins.evaluation.protocol import evaluation_pairs
    from uss_plugins.evaluation.report import render_report
    from uss_plugins.evaluation.results import results_table, to_json
    from uss_plugins.evaluation.run import check_fit
    from uss_plugins.evaluation.run import evaluate as run
    from uss_plugins.files import write_text
    from uss_plugins.recipe import load_recipe
    from uss_plugins.separation.folder import load_model
    from uss_plugins.separation.precision import choose_precision

    if anchors is not None and pair_dir is not None:
        raise UserError("--anchors and --pairs: stored pairs need no anchors; give one of the two")
    check_device(device)
    recipe = load_recipe(recipe_file, overrides)
    model = load_model(model_dir, device)
    model.prepare(choose_precision(precision, device))  # type: ignore[arg-type]  # checked by click
    section = recipe.evaluation
    folder = output_dir or model_dir / "evaluation"
    corpus: Corpus
    if pair_dir is not None:
        corpus = stored = PairFolder(
            pair_dir, model.class_names, model.class_ids, model.sample_rate
        )
        pairs = stored.pairs(section.pairs_per_class)
    else:
        corpus = build_corpus(recipe, "test")
        check_fit(model, corpus)
        pairs = evaluation_pairs(corpus, section, AnchorTable.load(anchors) if anchors else None)
    folder.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    results = run(
        model,
        corpus,
        pairs,
        section,
        model_name=str(model_dir),
        recipe_name=str(recipe_file),
        console=Console(stderr=True),
    )
    write_text(folder / "results.json", to_json(results))
    write_text(
        folder / "report.html", render_report(results, median_examples(model, corpus, results))
    )
    if as_json:
        click.echo(to_json(results))
        return
    Console(width=None if sys.stdout.isatty() else LOG_WIDTH).print(results_table(results))
    click.echo(f"SDRi, query from the bank: {results.bank['sdr_improvement']} dB")
    click.echo(f"SDRi, query from the clean target: {results.oracle['sdr_improvement']} dB")
    click.echo(f"report: {folder / 'report.html'}")


def check_device(device: str) -> None:
    """Refuse a device that this machine or this torch lacks.

    Raises:
        UserError: saying which devices there are.
    """
    import torch

    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise UserError(f"--device {device}: no such device; use cpu or cuda") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {device}: this machine or this torch has no CUDA; use cpu")
    if kind not in ("cpu", "cuda"):
        raise UserError(f"--device {device}: use cpu or cuda")
    count = torch.cuda.device_count()
    if kind == "cuda" and (torch.device(device).index or 0) >= count:
        raise UserError(f"--device {device}: this machine has {count} CUDA devices, from cuda:0")
