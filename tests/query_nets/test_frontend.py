"""The log-mel front end against its definition, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from uss_plugins.query_nets.frontend import LogMel, mel_filters

SETTINGS = [
    (32000, 1024, 64, 50.0, 14000.0),  # the published one
    (16000, 512, 64, 50.0, 8000.0),
    (8000, 256, 40, 0.0, 4000.0),
    (44100, 1412, 80, 27.5, 16000.0),
]


def slaney_filters(rate: int, n_fft: int, mel_size: int, low: float, high: float) -> np.ndarray:
    """Each filter drawn as a triangle between its corners, 200 / 3 Hz per mel up to 1 kHz."""

    def mel(hertz: float) -> float:
        return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)

    def hertz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    corners = [hertz(m) for m in np.linspace(mel(low), mel(high), mel_size + 2)]
    bins = np.array([k * rate / n_fft for k in range(n_fft // 2 + 1)])
    columns = []
    for left, centre, right in zip(corners, corners[1:], corners[2:], strict=False):
        triangle = np.interp(bins, [left, centre, right], [0.0, 1.0, 0.0])
        columns.append(triangle / ((right - left) / 2))  # unit area
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("settings", SETTINGS)
def test_mel_filters(settings: tuple[int, int, int, float, float]) -> None:
    expected = slaney_filters(*settings)
    np.testing.assert_allclose(mel_filters(*settings).numpy(), expected, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_filter_hears_something(settings: tuple[int, int, int, float, float]) -> None:
    assert (mel_filters(*settings).sum(dim=0) > 0).all()


def test_log_mel_of_noise() -> None:
    rate, n_fft, hop = 16000, 512, 160
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4001))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    padded = np.pad(audio, ((0, 0), (n_fft // 2, n_fft // 2)), mode="reflect")
    frames = np.stack(
        [padded[:, t : t + n_fft] * window for t in range(0, audio.shape[1] + 1, hop)], axis=1
    )
    power = np.abs(np.fft.rfft(frames)) ** 2
    expected = 10 * np.log10(np.maximum(power @ slaney_filters(rate, n_fft, 64, 50.0, 8e3), 1e-10))

    front_end = LogMel(
        sample_rate=rate,
        n_fft=n_fft,
        hop_length=hop,
        mel_size=64,
        low_frequency=50.0,
        high_frequency=8000.0,
    )
    log_mel = front_end(torch.from_numpy(audio.astype(np.float32)))
    np.testing.assert_allclose(log_mel.numpy(), expected, atol=1e-3)


def test_silence_is_the_floor() -> None:
    front_end = LogMel(
        sample_rate=16000,
        n_fft=512,
        hop_length=160,
        mel_size=8,
        low_frequency=50.0,
        high_frequency=8000.0,
    )
    assert (front_end(torch.zeros(1, 1600)) == -100.0).all()
    assert not front_end.state_dict()
