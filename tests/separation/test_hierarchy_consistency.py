"""Mixture consistency."""

from __future__ import annotations

import numpy as np
import pytest
from band_models import RATE
from numpy.typing import NDArray
from ontology_models import tones

from uss_plugins.separation.consistency import make_consistent


def sound(*parts: tuple[int, float]) -> NDArray[np.float32]:
    """Tones of these bands and amplitudes, (1, samples)."""
    audio = tones(*((band, size, 0.0, 1.0) for band, size in parts), seconds=1.0)
    return audio[np.newaxis].astype(np.float32)


def energy(audio: NDArray[np.float32]) -> float:
    """Away from the ends, where windows see the edges of a tone."""
    return float(np.square(audio[:, 2000:-2000], dtype=np.float64).sum())


def test_what_is_consistent_stays() -> None:
    low, high = sound((0, 0.5)), sound((2, 0.2))
    shared = make_consistent(low + high, [low, high], RATE)
    np.testing.assert_allclose(shared[0], low, atol=1e-5)
    np.testing.assert_allclose(shared[1], high, atol=1e-5)


def test_a_sound_that_nobody_claims_stays_in_the_residual() -> None:
    low, unclaimed = sound((0, 0.5)), sound((2, 0.5))
    (shared,) = make_consistent(low + unclaimed, [low], RATE)
    assert energy(shared - low) < 1e-4 * energy(low)


def test_a_sound_that_two_claim_is_split_and_leaves_nothing() -> None:
    mixture = sound((1, 0.5))
    shared = make_consistent(mixture, [mixture, mixture.copy()], RATE)
    for one in shared:
        assert energy(one - mixture / 2) < 1e-4 * energy(mixture)
    assert energy(mixture - sum(shared)) < 1e-4 * energy(mixture)


def test_what_is_too_loud_or_too_faint_is_corrected() -> None:
    mixture = sound((1, 0.5))
    (loud,) = make_consistent(mixture, [2 * mixture], RATE)
    assert energy(loud - mixture) < 1e-4 * energy(mixture)
    (faint,) = make_consistent(mixture, [np.float32(0.8) * mixture], RATE)
    # The estimate has 0.64 of the energy and the residual 0.36, so of the missing 0.2 it gets 0.128.
    assert energy(faint - np.float32(0.928) * mixture) < 1e-4 * energy(mixture)


@pytest.mark.parametrize("samples", [1, 100, 1023, 20001])
def test_any_length_and_channels_and_estimates_left_alone(samples: int) -> None:
    generator = np.random.default_rng(0)
    mixture = generator.uniform(-1, 1, (2, samples)).astype(np.float32)
    estimates = [generator.uniform(-1, 1, (2, samples)).astype(np.float32) for _ in range(3)]
    before = [one.copy() for one in estimates]
    shared = make_consistent(mixture, estimates, RATE)
    assert all(one.shape == mixture.shape and np.isfinite(one).all() for one in shared)
    for one, other in zip(estimates, before, strict=True):
        np.testing.assert_array_equal(one, other)
    residual = np.square(mixture - sum(shared)).sum()
    assert residual <= np.square(mixture - sum(estimates)).sum() + 1e-6
