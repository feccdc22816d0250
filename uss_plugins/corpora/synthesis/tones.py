"""Sine wave and white noise."""

from __future__ import annotations

import numpy as np

from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import (
    Audio,
    below_nyquist,
    curve,
    faded,
    harmonics,
    sample_count,
    shaped_noise,
    tilt,
    wander,
)


def sine_wave(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A steady pure tone. Varied: frequency, slow change of loudness, fading in and out."""
    hertz = below_nyquist(draws.log_trait(120, 5500), sample_rate)
    tone = harmonics(np.full(sample_count(seconds, sample_rate), hertz), (1.0,), sample_rate)
    loudness = curve([0, seconds], draws.spread(0.5, 1.0, 2), seconds, sample_rate)
    fade = draws.log_trait(0.01, 0.3)
    return faded(tone * loudness.astype(np.float32), fade, fade, sample_rate)


def white_noise(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """Flat noise. Varied: a slight tilt, slow change of loudness, fading in and out."""
    slope = draws.trait(-0.7, 0.7)
    noise = shaped_noise(draws, lambda hertz: tilt(hertz, slope), seconds, sample_rate)
    sway = draws.trait(0.0, 0.25)
    loudness = 1 + sway * wander(draws, seconds, sample_rate, 0.8)
    fade = draws.log_trait(0.01, 0.3)
    return faded(noise * loudness.astype(np.float32), fade, fade, sample_rate)
