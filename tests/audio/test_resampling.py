"""The streaming resampler: exact lengths, no delay, the same in blocks of any size."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from uss_plugins.audio.resampling import StreamingResampler, resampled_samples

RATES = [(8000, 32000), (44100, 32000), (32000, 44100), (48000, 16000), (16000, 11025)]


def smooth(samples: int, rate: int, channels: int = 2) -> NDArray[np.float32]:
    """Tones below 2.5 kHz that fade in and out."""
    times = np.arange(samples) / rate
    tones = [np.sin(2 * np.pi * frequency * times) for frequency in (440, 1234.5)]
    return (np.hanning(samples) ** 2 * np.resize(tones, (channels, samples))).astype(np.float32)


def resample(
    audio: NDArray[np.float32], from_rate: int, to_rate: int, block_samples: int, total: int | None
) -> NDArray[np.float32]:
    resampler = StreamingResampler(from_rate, to_rate, len(audio))
    starts = range(0, audio.shape[1], block_samples)
    blocks = [resampler.push(audio[:, start : start + block_samples]) for start in starts]
    return np.hstack([*blocks, resampler.finish(total)])


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("samples", [1, 2, 3, 1000, 44101])
def test_lengths_are_exact_there_and_back(rates: tuple[int, int], samples: int) -> None:
    audio = np.ones((1, samples), np.float32)
    there = resample(audio, *rates, 700, None)
    assert there.shape == (1, int(np.ceil(samples * rates[1] / rates[0])))
    assert there.shape[1] == resampled_samples(samples, *rates)
    assert resample(there, *rates[::-1], 700, samples).shape == audio.shape


@pytest.mark.parametrize("rates", RATES)
def test_one_pass_of_soxr_is_the_reference(rates: tuple[int, int]) -> None:
    audio = smooth(30011, rates[0])
    expected = soxr.resample(audio.T, *rates, quality="VHQ").T
    for block_samples in (1, 997, 16384, 65536) if rates == RATES[0] else (997, 65536):
        actual = resample(audio, *rates, block_samples, None)
        length = min(actual.shape[1], expected.shape[1])
        assert abs(actual.shape[1] - expected.shape[1]) <= 1
        np.testing.assert_allclose(actual[:, :length], expected[:, :length], atol=1e-6)


@pytest.mark.parametrize("rates", [(8000, 32000), (44100, 32000), (16000, 48000)])
@pytest.mark.parametrize("samples", [4001, 100003])
def test_there_and_back_is_the_original(rates: tuple[int, int], samples: int) -> None:
    audio = smooth(samples, rates[0])
    back = resample(resample(audio, *rates, 5000, None), *rates[::-1], 3000, samples)
    np.testing.assert_allclose(back, audio, atol=1e-4)


def test_a_tone_is_not_delayed() -> None:
    expected = smooth(32000, 32000)
    actual = resample(smooth(44100, 44100), 44100, 32000, 4096, None)
    np.testing.assert_allclose(actual, expected, atol=1e-3)


def test_equal_rates_pass_every_bit() -> None:
    audio = np.random.default_rng(3).standard_normal((5, 1000)).astype(np.float32)
    np.testing.assert_array_equal(resample(audio, 16000, 16000, 300, None), audio)


def test_silence_stays_silence() -> None:
    assert not resample(np.zeros((2, 5000), np.float32), 44100, 32000, 999, None).any()


@pytest.mark.parametrize("rates", [*RATES, (16000, 16000)])
def test_resamplers_fed_alike_stay_in_step(rates: tuple[int, int]) -> None:
    random = np.random.default_rng(4)
    one, other = (StreamingResampler(*rates, 1) for _ in range(2))
    for _ in range(20):
        size = int(random.integers(1, 20000))
        block = random.standard_normal((1, size)).astype(np.float32)
        given = one.push(block).shape[1]
        parts = [other.push(0 * part) for part in np.array_split(block, 3, axis=1)]
        assert sum(part.shape[1] for part in parts) == given
