"""`uss-plugins mine-anchors`: where in each clip its classes sound."""

from __future__ import annotations

from typing import Any

import click

from uss_plugins.cli.recipe_options import open_experiment, recipe_options


@click.command("mine-anchors")
@recipe_options
def mine_anchors(**options: Any) -> None:
    """Mine the anchor segments of RECIPE's corpus with the tagger that train-tagger left.

    Leaves EXP_DIR/anchors. Does nothing if they are there already.
    """
    experiment = open_experiment(**options)
    from uss_plugins.training.stages.anchors import mine

    for split, figures in mine(experiment).items():
        click.echo(f"anchors, {split}: {describe(figures)}")


def describe(figures: dict[str, float]) -> str:
    """One split's figures in words."""
    text = f"{figures['anchors']} mined, {figures['unreadable']} clips unreadable"
    if "hit_rate" in figures:
        text += (
            f"; {figures['hit_rate']:.1%} hold their class"
            f" (random places: {figures['random_hit_rate']:.1%})"
        )
    return text
