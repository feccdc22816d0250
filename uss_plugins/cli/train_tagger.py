"""`uss-plugins train-tagger`: stage 1 of a recipe."""

from __future__ import annotations

from typing import Any

import click

from uss_plugins.cli.recipe_options import open_experiment, recipe_options


@click.command("train-tagger")
@recipe_options
def train_tagger(**options: Any) -> None:
    """Train the query net of RECIPE as a tagger, from weak labels alone.

    Leaves EXP_DIR/tagger. Does nothing if it is there already, or if the recipe gives the weights.
    """
    experiment = open_experiment(**options)
    from uss_plugins.training.stages.tagger import train_tagger as run

    figures = run(experiment)
    if not figures:  # the first of several processes tells
        return
    if "weights" in figures:
        click.echo(f"tagger: not trained, its weights are given: {figures['weights']}")
        return
    if "test_map" not in figures:
        click.echo("tagger: none to train, the query net tags no classes")
        return
    click.echo(
        f"tagger: test mAP {figures['test_map']:.3f}, {figures['steps']} steps in"
        f" {figures['seconds']:.0f} s, {experiment.tagger_folder}"
    )
