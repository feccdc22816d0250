"""Metrics against numpy, against the paper's released system, and on silence."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from parity.hashfill import waveform
from torch import Tensor

from uss_plugins.evaluation import metrics

RELEASED_SDR = (20.907711, 19.891136, 20.018423, -81.845779, 81.808655)
"""SDR (dB) by the paper's released code: three estimates, a silent reference, a perfect estimate."""


@pytest.fixture
def audio() -> tuple[Tensor, Tensor, Tensor]:
    """Estimate, reference and mixture: (5, 700) each."""
    generator = torch.Generator().manual_seed(3)
    estimate, reference, noise = torch.randn(3, 5, 700, generator=generator) * 0.2
    return reference + 0.3 * estimate, reference, reference + noise


def numpy_sdr(estimate: np.ndarray, reference: np.ndarray) -> float:
    noise = max(np.mean((estimate - reference) ** 2), 1e-10)
    return 10 * np.log10(max(np.mean(reference**2), 1e-10) / noise)


def numpy_si_sdr(estimate: np.ndarray, reference: np.ndarray) -> float:
    scaled = np.dot(estimate, reference) / np.dot(reference, reference) * reference
    return 10 * np.log10(np.sum(scaled**2) / np.sum((estimate - scaled) ** 2))


def test_sdr_is_the_released_systems() -> None:
    reference = waveform("metrics/reference", 3, 32000)
    estimate = reference + 0.1 * waveform("metrics/noise", 3, 32000)
    references = torch.cat([reference, torch.zeros(1, 32000), reference[:1]])
    estimates = torch.cat([estimate, estimate[:1], reference[:1]])
    found = metrics.sdr(estimates, references)
    torch.testing.assert_close(found, torch.tensor(RELEASED_SDR), rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    ("metric", "expected"), [(metrics.sdr, numpy_sdr), (metrics.si_sdr, numpy_si_sdr)]
)
def test_each_item_matches_numpy(metric, expected, audio) -> None:
    estimate, reference, _ = audio
    rows = zip(estimate.double().numpy(), reference.double().numpy(), strict=True)
    wanted = torch.tensor([expected(*row) for row in rows], dtype=torch.float32)
    found = metric(estimate, reference)
    assert found.shape == (5,)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-4)


def test_improvement_is_over_the_mixture(audio) -> None:
    estimate, reference, mixture = audio
    for improvement, metric in (
        (metrics.sdr_improvement, metrics.sdr),
        (metrics.si_sdr_improvement, metrics.si_sdr),
    ):
        wanted = metric(estimate, reference) - metric(mixture, reference)
        assert torch.equal(improvement(estimate, reference, mixture), wanted)
        assert torch.equal(improvement(mixture, reference, mixture), torch.zeros(5))


def test_si_sdr_ignores_the_estimates_scale_and_sdr_does_not(audio) -> None:
    estimate, reference, _ = audio
    louder = metrics.si_sdr(3 * estimate, reference)
    torch.testing.assert_close(louder, metrics.si_sdr(estimate, reference), rtol=0, atol=1e-3)
    assert bool((metrics.sdr(3 * estimate, reference) < metrics.sdr(estimate, reference)).all())


def test_silence_has_the_documented_values(audio) -> None:
    estimate, reference, mixture = audio
    silence = torch.zeros_like(reference)
    assert torch.equal(metrics.sdr(silence, reference), torch.zeros(5))
    assert torch.equal(metrics.sdr(silence, silence), torch.zeros(5))
    torch.testing.assert_close(metrics.si_sdr(silence, reference), torch.zeros(5))
    torch.testing.assert_close(metrics.si_sdr(silence, silence), torch.zeros(5))
    level = 10 * torch.log10(estimate.square().mean(dim=1))
    torch.testing.assert_close(metrics.sdr(estimate, silence), -(level + 100))
    assert bool(torch.isfinite(metrics.si_sdr(estimate, silence)).all())
    level = 10 * torch.log10(mixture.square().mean(dim=1))
    torch.testing.assert_close(metrics.leak(silence, mixture), -100 - level)


def test_leak_is_relative_energy(audio) -> None:
    _, _, mixture = audio
    assert torch.equal(metrics.leak(mixture, mixture), torch.zeros(5))
    torch.testing.assert_close(metrics.leak(0.1 * mixture, mixture), torch.full((5,), -20.0))


def test_si_sdr_lets_no_warning_of_torchmetrics_through() -> None:
    program = (
        "import torch\nfrom uss_plugins.evaluation.metrics import si_sdr\n"
        "si_sdr(torch.ones(1, 8), torch.ones(1, 8))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
