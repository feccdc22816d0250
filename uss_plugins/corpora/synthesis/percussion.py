"""Snare drum and church bell."""

from __future__ import annotations

import numpy as np

from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import (
    Audio,
    damped_sines,
    faded,
    high_pass,
    lay,
    low_pass,
    sample_count,
    shaped_noise,
    silence,
    unit_rms,
)

BELL_RATIOS = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.66, 3.0, 4.0, 5.2, 6.5])
"""Partials of a church bell against its prime: hum, prime, tierce, quint, nominal, and above."""


def snare_drum(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A snare drum: beats with ghost notes and rolls.

    Varied: tuning, tension and length of the snares, tempo, figures, strength of each stroke.
    """
    tuning = draws.log_trait(150, 330)
    corner = draws.log_trait(1200, 3200)
    snare_decay = draws.log_trait(0.12, 0.45)
    head_decay = draws.log_trait(0.08, 0.3)
    snare_share = draws.log_trait(0.4, 1.6)
    beat = 60 / draws.log_trait(70, 200)
    figures = ((1.0,), (0.5, 0.5), (0.75, 0.25), (0.25,) * 4, (0.125,) * 8)
    lasting = min(max(snare_decay, head_decay) + 0.05, seconds)
    head = damped_sines(
        tuning * np.array([1, 1.59, 2.14, 2.3]),
        head_decay,
        (1, 0.7, 0.4, 0.3),
        0.0,
        lasting,
        sample_rate,
    )

    # one long take of rattling snares; every stroke lets a different part of it be heard
    def rattle(
        hertz: np.ndarray[tuple[int], np.dtype[np.float64]],
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return high_pass(hertz, corner) * low_pass(hertz, 7000, 1)

    snares = unit_rms(shaped_noise(draws, rattle, seconds + lasting, sample_rate))
    axis = np.arange(sample_count(lasting, sample_rate)) / sample_rate
    envelope = (snare_share * 10.0 ** (-3 * axis / snare_decay)).astype(np.float32)
    canvas = silence(seconds, sample_rate)
    time = draws.uniform(0, 0.06)
    while time < seconds:
        for share in draws.pick(figures):
            start = round(time * sample_rate)
            if start < len(canvas):
                rattling = snares[start : start + len(envelope)]
                stroke = head + envelope[: len(head)] * rattling[: len(head)]
                strength = np.float32(draws.uniform(0.3, 1.0) if share < 1 else 1.0)
                lay(canvas, time, faded(stroke, 0.0005, 0.03, sample_rate) * strength, sample_rate)
            time += share * beat * draws.uniform(0.97, 1.03)
    return canvas


def church_bell(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """One to three bells swinging. Varied: size, tuning of the partials, decay, clapper, rhythm."""
    prime = draws.log_trait(220, 800)
    decay = draws.log_trait(1.5, 7.0)
    hardness = draws.log_trait(2.5, 8.0)
    period = draws.log_trait(0.5, 1.8)
    warble = draws.log_trait(0.0005, 0.004)
    ratios = BELL_RATIOS * (1 + 0.015 * draws.spread(-1, 1, len(BELL_RATIOS)))
    strengths = np.exp(-np.abs(ratios - 1.5) / hardness) * draws.spread(0.4, 1.0, len(ratios))
    canvas = silence(seconds, sample_rate)
    bells = [prime * ratio for ratio in (1.0, 0.75, 1.25)[: draws.pick((1, 1, 2, 3))]]
    for bell in bells:
        # imperfect symmetry splits each partial in two that beat
        frequencies = np.concatenate([bell * ratios, bell * ratios * (1 + warble)])
        decays = np.tile(decay * (400 / bell) ** 0.5 / ratios**0.9, 2)
        amplitudes = np.concatenate([strengths, 0.5 * strengths])
        phases = draws.spread(0, 2 * np.pi, len(frequencies))
        blow = damped_sines(frequencies, decays, amplitudes, phases, seconds, sample_rate)
        blow = faded(blow, 0.001, 0.0, sample_rate)
        time = draws.uniform(0, 0.05) if bell is bells[0] else draws.uniform(0, period)
        while time < seconds:
            lay(canvas, time, blow * np.float32(draws.uniform(0.6, 1.0)), sample_rate)
            time += period * draws.uniform(0.93, 1.07)
    return faded(canvas, 0.0, 0.05, sample_rate)
