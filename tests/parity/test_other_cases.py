"""Mixtures, anchors, metrics, losses and schedules at other sizes, against loops written for them here."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from parity.plain_networks import stft

from uss_plugins.audio.silence import remove_silence
from uss_plugins.corpora.anchors import largest_area_start
from uss_plugins.corpora.mixing import mix
from uss_plugins.evaluation.metrics import sdr
from uss_plugins.training.losses import find_loss
from uss_plugins.training.schedules import constant_warm_up, linear_warm_up

RATE, FRAMES_PER_SECOND = 32000, 100


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.2, shape).astype(np.float32)


@pytest.mark.parametrize("match_energy", [True, False])
@pytest.mark.parametrize("sources", [2, 3, 4, 5])
@pytest.mark.parametrize(("batch", "samples"), [(5, 1), (7, 1001), (16, 320)])
def test_mixtures(batch: int, samples: int, sources: int, match_energy: bool) -> None:
    segments = noise(batch, samples) * 10.0 ** -np.arange(batch)[:, None].astype(np.float32)
    segments[2] = 0
    expected = segments.astype(np.float64)
    for target, step in itertools.product(range(batch), range(1, sources)):
        other = segments[(target + step) % batch].astype(np.float64)
        energies = [
            max(np.mean(one**2), floor) for one, floor in ((segments[target], 0), (other, 1e-10))
        ]
        ratio = np.clip(np.sqrt(energies[0] / energies[1]), 0.02, 50) if match_energy else 1.0
        expected[target] += ratio * other
    found = mix(torch.from_numpy(segments), sources=sources, match_energy=match_energy)
    np.testing.assert_allclose(found.mixture.numpy(), expected, rtol=1e-5, atol=1e-7)


def plain_start(curve: NDArray[np.float32], clip_samples: int, segment_seconds: float) -> int:
    """Replicate-pad, average over the segment's frames + 1, centre on the largest, clamp."""
    half = round(segment_seconds * FRAMES_PER_SECOND) // 2
    last = len(curve) - 1
    areas = [
        sum(float(curve[min(max(k, 0), last)]) for k in range(centre - half, centre + half + 1))
        for centre in range(len(curve))
    ]
    segment = round(segment_seconds * RATE)
    start = int(np.argmax(areas)) * RATE // FRAMES_PER_SECOND - segment // 2
    return min(max(start, 0), clip_samples - segment)


@pytest.mark.parametrize("segment_seconds", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("clip_samples", [3 * RATE, 4 * RATE + 319])
def test_anchors(clip_samples: int, segment_seconds: float) -> None:
    frames = clip_samples * FRAMES_PER_SECOND // RATE + 1
    curves = np.random.default_rng(clip_samples).random((6, frames)).astype(np.float32)
    for row in range(5):  # one without a peak, then peaks in different places, both ends among them
        curves[row + 1] += np.exp(-((np.linspace(-0.5, 4.5, frames) - row) ** 2)).astype(np.float32)
    start = largest_area_start(
        torch.from_numpy(curves),
        frames_per_second=FRAMES_PER_SECOND,
        segment_seconds=segment_seconds,
        clip_samples=clip_samples,
        sample_rate=RATE,
    )
    assert start.tolist() == [plain_start(one, clip_samples, segment_seconds) for one in curves]


@pytest.mark.parametrize("samples", [1, 777, 64000])
def test_sdr(samples: int) -> None:
    reference, error = noise(4, samples), noise(4, samples, seed=1)
    reference[1] = 0
    estimate = reference + 0.1 * error
    estimate[2] = reference[2]
    estimate[3] = 0
    with np.errstate(divide="ignore"):
        powers = [
            np.maximum(np.mean(one.astype(np.float64) ** 2, axis=1), 1e-10)
            for one in (reference, estimate - reference)
        ]
    expected = 10 * np.log10(powers[0] / powers[1])
    found = sdr(torch.from_numpy(estimate), torch.from_numpy(reference))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("batch", "channels", "samples"), [(1, 1, 1025), (3, 2, 5003)])
def test_losses(batch: int, channels: int, samples: int) -> None:
    target, estimate = noise(batch, channels, samples), noise(batch, channels, samples, seed=1)
    wave = np.abs(estimate.astype(np.float64) - target).mean()
    magnitudes = [
        np.abs([stft(one, 2048, 320) for one in audio.astype(np.float64).reshape(-1, samples)])
        for audio in (estimate, target)
    ]
    spectrum = np.abs(magnitudes[0] - magnitudes[1]).mean()
    audio = torch.from_numpy(estimate), torch.from_numpy(target)
    assert float(find_loss("l1_waveform")(*audio)) == pytest.approx(wave, rel=1e-6)
    both = float(find_loss("l1_waveform_l1_spectrum")(*audio))
    assert both == pytest.approx(wave + spectrum, rel=1e-5)


@pytest.mark.parametrize("warm_up", [1, 7, 10_000])
def test_schedules(warm_up: int) -> None:
    blocks, line = (
        constant_warm_up(warm_up_steps=warm_up),
        linear_warm_up(warm_up_steps=warm_up, reduce_lr_steps=3 * warm_up),
    )
    for step in (0, 1, warm_up - 1, warm_up, 2 * warm_up, 3 * warm_up - 1, 3 * warm_up, 10**6):
        expected = next((f for n, f in ((1, 1e-3), (2, 1e-2), (3, 1e-1)) if step < n * warm_up), 1)
        assert blocks(step) == expected
        falling = step / warm_up if step < warm_up else 0.9 ** (step // (3 * warm_up))
        assert line(step) == pytest.approx(falling, rel=1e-12)


@pytest.mark.parametrize("samples", [3199, 3200, 3201, 40001])
def test_silence(samples: int) -> None:
    audio = noise(samples) * (np.arange(samples) // 1600 % 3 > 0)
    audio[: min(samples, 6400)] *= 0.01
    frames = [audio[first : first + 3200] for first in range(0, max(1, samples - 3199), 3200)]
    expected = np.concatenate([np.zeros(0), *(f for f in frames if np.abs(f).max() > 0.02)])
    np.testing.assert_array_equal(remove_silence(audio, RATE), expected)
