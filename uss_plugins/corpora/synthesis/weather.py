"""Rain, wind, thunder."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import (
    HIGHEST,
    Audio,
    Curve,
    Gain,
    faded,
    high_pass,
    low_pass,
    peak,
    pulses,
    sample_count,
    shaped_noise,
    silence,
    unit_rms,
    wander,
)


def rain(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """Drops over a hiss of many more. Varied: density, drop sizes, surface, share and colour of the hiss."""
    density = draws.log_trait(25, 400)
    surface = draws.log_trait(1200, 5500)
    drop_decay = draws.log_trait(0.004, 0.02)
    drops_share = draws.log_trait(0.6, 2.5)
    hiss_hz = draws.log_trait(3000, 8000)
    hiss_octaves = draws.trait(0.6, 1.1)
    samples = sample_count(seconds, sample_rate)
    drops = silence(seconds, sample_rate)
    for ratio in draws.spread(0.4, 1.6, 6):
        times = draws.spread(0, seconds, max(1, int(density * seconds / 6)))
        loudness = draws.rng.exponential(1.0, len(times))
        hits = pulses(times * sample_rate, loudness, samples)
        hertz = min(surface * ratio, 0.9 * HIGHEST * sample_rate)
        drops += _ringing(hits, hertz, drop_decay * draws.uniform(0.5, 1.5), sample_rate)

    def hiss(hertz: Curve) -> Curve:
        return (peak(hertz, hiss_hz, hiss_octaves) + 0.03) * high_pass(hertz, 300)

    rush = unit_rms(shaped_noise(draws, hiss, seconds, sample_rate))
    heaviness = 1 + 0.3 * wander(draws, seconds, sample_rate, 1.0)
    sound = rush * heaviness.astype(np.float32) + np.float32(drops_share) * unit_rms(drops)
    return faded(sound, 0.08, 0.08, sample_rate)


def _ringing(hits: Audio, hertz: float, decay: float, sample_rate: int) -> Audio:
    """The hits through a resonator that falls by 60 dB in `decay` seconds."""
    radius = np.exp(-np.log(1000.0) / (decay * sample_rate))
    angle = 2 * np.pi * hertz / sample_rate
    ring: Audio = lfilter([np.sin(angle)], [1, -2 * radius * np.cos(angle), radius**2], hits)
    return ring.astype(np.float32)


def wind(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """Gusts: the stronger, the brighter. Varied: gust rate and depth, brightness, howl, howl pitch."""
    gust_rate = draws.log_trait(0.5, 2.5)
    depth = draws.trait(0.3, 0.9)
    corner = draws.log_trait(220, 700)
    brightness = draws.trait(1.2, 3.0)
    howl_hz = draws.log_trait(250, 900)
    howl = draws.log_trait(0.1, 1.2)
    gust = 0.55 + 0.45 * depth * wander(draws, seconds, sample_rate, gust_rate)
    sound = silence(seconds, sample_rate)
    # three fixed bands whose shares move with the gust stand for one filter that moves
    for step in range(3):
        hertz = corner * 2.0 ** (step * brightness / 2)
        band = shaped_noise(draws, _wind_band(hertz), seconds, sample_rate)
        sound += unit_rms(band) * ((0.5 * gust**step + 0.05) * gust).astype(np.float32)
    whistle = silence(seconds, sample_rate)
    for place, above in enumerate((0.75, 1.0, 1.33)):
        band = shaped_noise(draws, _howl_band(howl_hz * above), seconds, sample_rate)
        nearness = np.clip(1 - np.abs(3 * gust - 0.6 - place), 0, 1)
        whistle += unit_rms(band) * nearness.astype(np.float32)
    sound += np.float32(0.4 * howl) * whistle
    return faded(sound, 0.15, 0.15, sample_rate)


def _wind_band(corner: float) -> Gain:
    return lambda hertz: low_pass(hertz, corner, 1.5) * high_pass(hertz, 80) * (200 / hertz) ** 0.3


def _howl_band(centre: float) -> Gain:
    return lambda hertz: peak(hertz, centre, 0.06)


def thunder(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """Claps that crack and roll away. Varied: distance, crack, roll, number and strength of the rumbles."""
    corner = draws.log_trait(60, 170)
    crack_share = draws.log_trait(0.15, 1.2)
    crack_hz = draws.log_trait(600, 2500)
    roll = draws.log_trait(0.8, 3.0)
    pause = draws.log_trait(0.8, 3.0)
    rumble = shaped_noise(
        draws, lambda f: low_pass(f, corner, 1.3) * high_pass(f, 25), seconds, sample_rate
    )
    crackle = shaped_noise(draws, lambda f: peak(f, crack_hz, 1.2), seconds, sample_rate)
    axis = np.arange(len(rumble)) / sample_rate
    low, high = np.full(len(rumble), 0.03), np.zeros(len(rumble))
    time = draws.uniform(0, 0.05)
    while time < seconds:
        strength = draws.uniform(0.6, 1.0)
        for _ in range(draws.count(4, 10)):  # echoes from along the channel of the bolt
            onset = time + roll * draws.uniform(0, 1) ** 2
            since = axis - onset
            swell = np.clip(since / 0.04, 0, 1) * np.exp(-np.maximum(since, 0) / (0.3 * roll))
            low += strength * draws.uniform(0.2, 1.0) * swell
        for _ in range(draws.count(1, 5)):
            since = axis - (time + 0.25 * draws.uniform(0, 1) ** 2)
            snap = np.clip(since / 0.004, 0, 1) * np.exp(
                -np.maximum(since, 0) / draws.uniform(0.02, 0.15)
            )
            high += strength * draws.uniform(0.3, 1.0) * snap
        time += roll + pause * draws.uniform(0.5, 1.2)
    rough = 1 + 0.6 * wander(draws, seconds, sample_rate, 14)
    sound = unit_rms(rumble) * (low * rough).astype(np.float32)
    sound += np.float32(crack_share) * unit_rms(crackle) * high.astype(np.float32)
    return faded(sound, 0.003, 0.1, sample_rate)
