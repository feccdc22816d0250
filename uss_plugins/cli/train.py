"""`uss-plugins train`: a recipe to a model folder."""

from __future__ import annotations

from typing import Any

import click

from uss_plugins.cli.recipe_options import open_experiment, recipe_options


@click.command("train")
@recipe_options
def train(**options: Any) -> None:
    """Train the separator of RECIPE, after its tagger and anchors where they are missing.

    Leaves the model folder EXP_DIR/model. Does nothing if it is there already.
    """
    experiment = open_experiment(**options)
    from uss_plugins.training.stages.separator import train_separator

    figures = train_separator(experiment)
    if not figures:  # the first of several processes tells
        return
    click.echo(
        f"separator: validation SDRi {figures['validation_sdri']:.2f} dB, {figures['steps']} steps in"
        f" {figures['seconds']:.0f} s, {experiment.model_folder}"
    )
