"""`uss-plugins compare`: trained and evaluated experiments side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from registry.errors import UserError

COLUMNS = {
    "name": "experiment",
    "sdri_bank": "SDRi by bank (dB)",
    "sdri_oracle": "SDRi by oracle (dB)",
    "sdri_mixture": "SDRi by mixture (dB)",
    "parameters": "parameters",
    "training_seconds": "training (s)",
}


@click.command("compare")
@click.argument("experiments", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a Markdown table.")
def compare(experiments: tuple[Path, ...], as_json: bool) -> None:
    """Tabulate EXPERIMENTS, folders that `train` and `evaluate` have finished.

    SDRi is the mean over classes of the median within a class, with its 95 % bootstrap interval, for queries
    from the bank, from the clean target (oracle) and, where it was evaluated, from the mixture. Training
    seconds are the separator's; the tagger's, which experiments can share, are named below the table.
    """
    rows = [read_row(experiment) for experiment in experiments]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    click.echo(markdown(rows))
    click.echo(f"\ntagger: {', '.join(sorted({str(row['tagger_seconds']) for row in rows}))} s")


def read_row(experiment: Path) -> dict[str, Any]:
    """The figures of one experiment."""
    from uss_plugins.evaluation.results import read_results

    training = experiment / "training.json"
    if not training.is_file():
        raise UserError(f"{training} is missing; train this experiment first")
    figures = json.loads(training.read_text(encoding="utf-8"))
    results = read_results(experiment / "model" / "evaluation" / "results.json")
    return {
        "name": experiment.name,
        "sdri_bank": str(results.bank["sdr_improvement"]),
        "sdri_oracle": str(results.oracle["sdr_improvement"]),
        "sdri_mixture": str(results.mixture["sdr_improvement"]) if results.mixture else None,
        "parameters": figures["parameters"],
        "training_seconds": figures["seconds"],
        "tagger_seconds": figures["tagger_seconds"],
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table with aligned columns, without those that no row has a figure for."""
    keys = [key for key in COLUMNS if any(row[key] is not None for row in rows)]
    cells = [[COLUMNS[key] for key in keys]]
    cells += [
        [f"{row[key]:,}" if key == "parameters" else str(row[key] or "-") for key in keys]
        for row in rows
    ]
    widths = [max(len(row[place]) for row in cells) for place in range(len(keys))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)
