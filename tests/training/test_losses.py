"""Losses: their values by definition, and that silence never breaks a training."""

from __future__ import annotations

import pytest
import torch

from registry.errors import UserError
from uss_plugins.training.losses import LOSSES, find_loss


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randn(2, 2, 4000, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.randn(2, 2, 4000, generator=torch.Generator().manual_seed(1))


def test_l1_is_the_mean_absolute_error(target: torch.Tensor, noise: torch.Tensor) -> None:
    loss = find_loss("l1_waveform")(target + 0.3 * noise, target)
    torch.testing.assert_close(loss, 0.3 * noise.abs().mean())


@pytest.mark.parametrize(("name", "scale_matters"), [("neg_snr", True), ("neg_si_sdr", False)])
def test_ratios_are_minus_their_decibels(
    target: torch.Tensor, noise: torch.Tensor, name: str, scale_matters: bool
) -> None:
    target = target - target.mean(dim=2, keepdim=True)
    noise = noise - noise.mean(dim=2, keepdim=True)
    # Noise orthogonal to the target, so that both ratios are the noise's level.
    share = (noise * target).sum(2, keepdim=True) / target.square().sum(2, keepdim=True)
    noise = noise - share * target
    loss = find_loss(name)
    expected = -10 * (target.square().sum(2) / (0.1 * noise).square().sum(2)).log10().mean()
    torch.testing.assert_close(loss(target + 0.1 * noise, target), expected, rtol=1e-4, atol=0)
    doubled = loss(2 * (target + 0.1 * noise), target)
    assert bool((doubled - expected).abs() > 1) is scale_matters


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("silent", ["target", "estimate", "both", "error"])
def test_silence_gives_finite_losses_and_gradients(
    target: torch.Tensor, name: str, silent: str
) -> None:
    estimate = torch.zeros_like(target) if silent in ("estimate", "both") else target.clone()
    reference = torch.zeros_like(target) if silent in ("target", "both") else target
    estimate.requires_grad_()
    loss = find_loss(name)(estimate, reference)
    loss.backward()
    assert loss.isfinite()
    assert estimate.grad is not None
    assert estimate.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_float32_under_autocast(
    target: torch.Tensor, noise: torch.Tensor, name: str
) -> None:
    estimate = (target + 0.1 * noise).bfloat16()
    loss = find_loss(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = loss(estimate, target)
    assert reduced.dtype == torch.float32
    torch.testing.assert_close(reduced, loss(estimate.float(), target))


def test_an_unknown_loss_names_the_nearest() -> None:
    with pytest.raises(UserError, match="no loss 'l1_wavform'; did you mean l1_waveform"):
        find_loss("l1_wavform")
