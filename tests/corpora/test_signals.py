from __future__ import annotations

import numpy as np
import pytest

from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import (
    below_nyquist,
    damped_sines,
    faded,
    harmonics,
    lay,
    pulse_positions,
    pulses,
    shaped_noise,
    silence,
    unit_rms,
)
from uss_plugins.corpora.synthesis.vocal import _overlap_add, _spectra

RATE = 16000


def test_harmonics_are_the_sum_of_sines_under_the_nyquist_frequency() -> None:
    frequency = np.full(4000, 1600.0)
    time = np.arange(1, 4001) / RATE
    expected = sum(
        amplitude * np.sin(2 * np.pi * 1600 * multiple * time)
        for multiple, amplitude in enumerate((1.0, 0.5, 0.25, 0.125), start=1)
    )
    # 8000 Hz and above would fold down
    actual = harmonics(frequency, (1.0, 0.5, 0.25, 0.125, 9.0, 9.0, 9.0), RATE)
    np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_a_sweep_beyond_the_nyquist_frequency_fades_instead_of_folding() -> None:
    frequency = np.linspace(1000, 12000, RATE)
    sweep = harmonics(frequency, (1.0,), RATE)
    assert np.abs(sweep[frequency > 0.49 * RATE]).max() == 0


def test_damped_sines_are_their_formula() -> None:
    time = np.arange(RATE) / RATE
    expected = np.zeros(RATE)
    for frequency, decay, amplitude, phase in ((440.0, 0.5, 1.0, 0.3), (3000.0, 0.1, 0.4, 2.0)):
        envelope = amplitude * 10 ** (-3 * time / decay)
        expected += envelope * np.sin(2 * np.pi * frequency * time + phase)
    actual = damped_sines((440, 3000, 7900), (0.5, 0.1, 1), (1, 0.4, 1), (0.3, 2, 0), 1.0, RATE)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_a_pulse_train_has_its_pulses_and_only_its_harmonics() -> None:
    positions = pulse_positions(np.full(RATE, 160.5), RATE)
    assert len(positions) == pytest.approx(160, abs=1)
    np.testing.assert_allclose(np.diff(positions), RATE / 160.5, rtol=1e-9)
    train = pulses(positions, 1.0, RATE)
    spectrum = np.abs(np.fft.rfft(train * np.hanning(RATE)))
    at_harmonics = spectrum[np.round(160.5 * np.arange(1, 30)).astype(int)]
    between = spectrum[np.round(160.5 * (np.arange(1, 30) + 0.5)).astype(int)]
    assert between.max() < 0.01 * at_harmonics.min()


def test_a_pulse_at_a_whole_position_is_symmetric_and_stays_on_the_canvas() -> None:
    pulse = pulses([100.0], 2.0, 200)
    np.testing.assert_allclose(pulse[93:100], pulse[107:100:-1], atol=1e-6)
    assert pulses([0.0, 9.9], 1.0, 10).shape == (10,)


def test_shaped_noise_has_unit_variance_and_its_shape() -> None:
    draws = Draws(np.random.SeedSequence(1), "train")
    assert shaped_noise(draws, np.ones_like, 4.0, RATE).std() == pytest.approx(1, abs=0.02)
    low = shaped_noise(draws, lambda hertz: (hertz < 1000).astype(float), 1.0, RATE)
    power = np.abs(np.fft.rfft(low)) ** 2
    assert power[1100:].sum() < 1e-3 * power.sum()


def test_the_frames_of_the_vocal_tract_add_up_to_the_sound() -> None:
    sound = np.random.default_rng(0).standard_normal(5001).astype(np.float32)
    for sample_rate in (8000, 22050, 44100):
        again = _overlap_add(_spectra(sound, sample_rate), len(sound), sample_rate)
        np.testing.assert_allclose(again, sound, atol=1e-5)


def test_fading_starts_and_ends_at_nothing_and_leaves_the_rest() -> None:
    faded_ones = faded(np.ones(1000, np.float32), 0.01, 0.02, 10000)
    assert faded_ones[0] < 1e-3
    assert faded_ones[-1] < 1e-3
    np.testing.assert_array_equal(faded_ones[100:800], 1)


def test_laying_adds_at_the_onset_and_drops_the_overhang() -> None:
    canvas = silence(1.0, 10)
    lay(canvas, 0.8, np.ones(5, np.float32), 10)
    lay(canvas, 0.9, np.ones(5, np.float32), 10)
    lay(canvas, 3.0, np.ones(5, np.float32), 10)
    np.testing.assert_array_equal(canvas, [0, 0, 0, 0, 0, 0, 0, 0, 1, 2])


def test_high_tones_come_down_by_octaves() -> None:
    assert below_nyquist(5000, 8000) == 2500
    assert below_nyquist(5000, 16000) == 5000


def test_silence_has_no_level_to_set() -> None:
    assert not unit_rms(np.zeros(10, np.float32)).any()
