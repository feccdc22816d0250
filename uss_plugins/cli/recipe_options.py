"""The options that all verbs running a recipe share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.errors import UserError

if TYPE_CHECKING:
    from uss_plugins.training.experiment import Experiment

Command = Callable[..., Any]


def recipe_options(command: Command) -> Command:
    """RECIPE, --exp-dir, --shared-dir, --set, --resume, --device, --devices."""
    for option in reversed(
        (
            click.argument("recipe", type=click.Path(path_type=Path)),
            click.option(
                "--exp-dir",
                type=click.Path(path_type=Path, file_okay=False),
                required=True,
                help="Folder of the experiment; made if it is not there.",
            ),
            click.option(
                "--shared-dir",
                type=click.Path(path_type=Path, file_okay=False),
                help="Folder of the cache, the tagger and the anchors, if several experiments share them.",
            ),
            click.option(
                "--set",
                "overrides",
                multiple=True,
                metavar="A.B=C",
                help="Change one value of the recipe.",
            ),
            click.option("--resume", is_flag=True, help="Continue an interrupted training."),
            click.option(
                "--device",
                type=click.Choice(("auto", "cpu", "cuda")),
                default="auto",
                show_default=True,
            ),
            click.option(
                "--devices",
                type=click.IntRange(1),
                default=1,
                show_default=True,
                help="On how many of this machine's devices to train, a process on each.",
            ),
        )
    ):
        command = option(command)
    return command


def open_experiment(
    recipe: Path,
    exp_dir: Path,
    shared_dir: Path | None,
    overrides: tuple[str, ...],
    resume: bool,
    device: str,
    devices: int,
) -> Experiment:
    """The experiment that the options describe; its recipe is checked before anything is written."""
    import torch

    from uss_plugins.compose import build_corpus
    from uss_plugins.recipe import load_recipe
    from uss_plugins.training.checks import checked
    from uss_plugins.training.devices import Devices
    from uss_plugins.training.experiment import Experiment

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine offers no CUDA device; use --device cpu")
    loaded = load_recipe(recipe, overrides)
    loaded = checked(loaded, build_corpus(loaded, "valid"))
    return Experiment(loaded, exp_dir, shared_dir or exp_dir, Devices(device, devices), resume)
