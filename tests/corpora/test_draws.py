from __future__ import annotations

import numpy as np
import pytest

from uss_plugins.corpora.synthesis.draws import TEST_BAND, VALID_BAND, Draws, Split


def _positions(split: Split) -> np.ndarray:
    draws = Draws(np.random.SeedSequence(3), split)
    return np.array([draws.trait(0.0, 1.0) for _ in range(4000)])


def _share(positions: np.ndarray, band: tuple[float, float]) -> float:
    return float(((positions > band[0]) & (positions < band[1])).mean())


def test_train_never_draws_from_the_held_out_bands() -> None:
    positions = _positions("train")
    assert _share(positions, VALID_BAND) == 0
    assert _share(positions, TEST_BAND) == 0
    assert 0 <= positions.min() < 0.01
    assert 0.99 < positions.max() <= 1


def test_valid_draws_from_its_band_but_not_from_the_tests() -> None:
    positions = _positions("valid")
    assert _share(positions, VALID_BAND) == pytest.approx(0.111, abs=0.02)
    assert _share(positions, TEST_BAND) == 0


def test_test_draws_from_everywhere_and_beyond() -> None:
    positions = _positions("test")
    assert _share(positions, VALID_BAND) == pytest.approx(0.091, abs=0.02)
    assert _share(positions, TEST_BAND) == pytest.approx(0.091, abs=0.02)
    assert -0.05 <= positions.min() < -0.03
    assert 1.03 < positions.max() <= 1.05


def test_a_logarithmic_trait_is_even_over_octaves() -> None:
    draws = Draws(np.random.SeedSequence(3), "train")
    values = [draws.log_trait(100, 1600) for _ in range(2000)]
    assert np.median(values) == pytest.approx(400, rel=0.15)


def test_noise_does_not_move_the_parameters() -> None:
    quiet, noisy = (Draws(np.random.SeedSequence(3), "train") for _ in range(2))
    noisy.noise(1000)
    assert quiet.trait(0, 1) == noisy.trait(0, 1)
