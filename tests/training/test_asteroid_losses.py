"""Asteroid's losses by name in a recipe: their values are Asteroid's, and what does not fit is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from training.tiny_recipe import tiny_tree

from registry.errors import UserError
from uss_plugins.ecosystems import import_asteroid
from uss_plugins.recipe import Component, parse_recipe
from uss_plugins.training.asteroid_losses import MULTI_SOURCE, SINGLE_SOURCE
from uss_plugins.training.losses import find_loss

PARAMETERS: dict[str, dict[str, Any]] = {
    "SingleSrcNegSTOI": {"sample_rate": 10000},
    "SingleSrcMultiScaleSpectral": {
        "n_filters": [128, 64],
        "windows_size": [128, 64],
        "hops_size": [64, 32],
    },
}


def section(name: str, **parameters: Any) -> Component:
    """A recipe's section of a loss."""
    return Component.model_validate({"name": name, **parameters})


@pytest.mark.parametrize("name", [*SINGLE_SOURCE, *MULTI_SOURCE])
def test_the_value_is_asteroids_averaged(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(2, 2, 10000, generator=generator)
    estimate = target + 0.3 * torch.randn(2, 2, 10000, generator=generator)
    estimate.requires_grad_()
    loss = find_loss(section(f"asteroid.{name}", **PARAMETERS.get(name, {})))
    value = loss(estimate, target)
    theirs = getattr(import_asteroid("asteroid.losses"), name)
    if name in PARAMETERS:
        theirs = theirs(**PARAMETERS[name])
    if name in MULTI_SOURCE:
        each = [theirs(estimate[n : n + 1], target[n : n + 1]) for n in range(2)]
    else:
        each = [theirs(estimate[n], target[n]).mean() for n in range(2)]
    torch.testing.assert_close(value, torch.stack(each).mean(), rtol=1e-4, atol=1e-5)
    value.backward()
    assert estimate.grad is not None
    assert bool(estimate.grad.isfinite().all())


def test_it_is_computed_in_float32_under_autocast() -> None:
    target = torch.randn(1, 1, 1000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = find_loss("asteroid.singlesrc_neg_sisdr")(target.bfloat16() * 2, target)
    assert loss.dtype == torch.float32


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("asteroid.singlesrc_neg_sisd", "did you mean asteroid.singlesrc_neg_sisdr"),
        ("asteroid.pairwise_neg_sisdr", "of one estimate and its target"),
        ("asteroid.SingleSrcNegSTOI", "parameter 'sample_rate' .* is missing"),
        (
            section("asteroid.SingleSrcNegSTOI", sample_rate=16000, use_vat=True),
            "unknown parameter 'use_vat'; did you mean use_vad",
        ),
        (section("asteroid.singlesrc_mse", x=1), "takes no parameters; leave out x"),
        (section("neg_snr", x=1), "takes no parameters; leave out x"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(loss: str | Component, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        find_loss(loss)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "loss",
    ["asteroid.singlesrc_neg_sisdr", {"name": "asteroid.SingleSrcNegSTOI", "sample_rate": 8000}],
)
def test_a_recipe_names_it(loss: str | dict[str, Any]) -> None:
    recipe = parse_recipe(tiny_tree(training={"loss": loss}), "tests")
    assert callable(find_loss(recipe.training.loss))
    stored = recipe.model_dump(mode="json")
    assert stored["training"]["loss"] == loss
    assert parse_recipe(stored, "again") == recipe
