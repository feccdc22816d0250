"""Siren, telephone bell, smoke alarm."""

from __future__ import annotations

import numpy as np

from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import (
    Audio,
    Curve,
    below_nyquist,
    curve,
    damped_sines,
    faded,
    harmonics,
    lay,
    sample_count,
    silence,
    wander,
)


def siren(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """An emergency vehicle: wail, yelp or hi-lo, driving by or standing.

    Varied: kind, range, period, shape of the sweep, harmonics from almost none to a hard saw or square,
    Doppler shift, changing loudness, reflections from the street.
    """
    low = draws.log_trait(380, 850)
    interval = draws.log_trait(1.6, 2.8)
    kind = draws.pick(("wail", "yelp", "hi-lo"))
    if kind == "hi-lo":
        high, period = low * draws.log_trait(1.2, 1.5), draws.log_trait(0.7, 1.8)
    else:
        high = low * interval
        period = draws.log_trait(1.8, 6.0) if kind == "wail" else draws.log_trait(0.2, 0.6)
    axis = np.arange(sample_count(seconds, sample_rate)) / sample_rate
    turn = (axis / period + draws.uniform(0, 1)) % 1.0
    frequency = low * (high / low) ** _sweep(draws, kind, turn)
    drive_by = curve([0, seconds], draws.spread(-0.03, 0.03, 2), seconds, sample_rate)
    frequency = frequency * (1 + drive_by)
    decline = draws.trait(0.8, 3.2)
    odd_only = draws.chance(0.3)
    multiple = np.arange(1, 16)
    amplitudes = multiple**-decline * np.where(odd_only & (multiple % 2 == 0), 0.05, 1.0)
    amplitudes *= 1 + 0.4 * draws.spread(-1, 1, len(multiple))
    sound = harmonics(frequency, tuple(amplitudes), sample_rate)
    for _ in range(draws.count(0, 2)):
        lay(
            sound,
            draws.uniform(0.02, 0.12),
            sound * np.float32(draws.uniform(0.1, 0.4)),
            sample_rate,
        )
    loudness = 1 + 0.5 * wander(draws, seconds, sample_rate, 0.7)
    return faded(sound * loudness.astype(np.float32), 0.03, 0.05, sample_rate)


def _sweep(draws: Draws, kind: str, turn: Curve) -> Curve:
    """Where in its range, 0 to 1, the siren is at each share of its turn."""
    if kind == "hi-lo":
        corner = 0.02  # the switch takes a moment
        return np.clip(np.minimum(turn, 1 - turn) / corner - 0.25 / corner, 0, 1)
    rise = draws.trait(0.2, 0.8)
    up = turn < rise
    bend = draws.log_trait(0.6, 1.7)
    ramp = np.where(up, turn / rise, (1 - turn) / (1 - rise))
    return np.clip(ramp, 0, 1) ** bend


def telephone_bell(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A telephone with two gongs and a clapper. Varied: gongs, clapper rate, cadence, decay, housing."""
    pitch = draws.log_trait(800, 1900)
    second_gong = draws.log_trait(1.04, 1.32)
    rate = draws.log_trait(15, 27)
    decay = draws.log_trait(0.15, 1.0)
    ring = draws.log_trait(0.45, 2.0)
    pause = draws.log_trait(0.2, 0.7)
    double = draws.chance(0.3)
    ratios = np.array([1.0, 1.71, 2.63, 3.12, 4.05]) * draws.spread(0.97, 1.03, 5)
    strengths = draws.spread(0.3, 1.0, 5) / ratios ** draws.trait(0.2, 1.2)
    gongs = []
    for gong in (1.0, second_gong):
        frequencies = [below_nyquist(pitch * gong, sample_rate) * ratio for ratio in ratios]
        decays = decay / ratios**0.5
        lasting = min(1.2 * decay, seconds)
        phases = draws.spread(0, 2 * np.pi, 5)
        hit = damped_sines(frequencies, decays, strengths, phases, lasting, sample_rate)
        gongs.append(faded(hit, 0.0005, 0.02, sample_rate))
    canvas = silence(seconds, sample_rate)
    time, ring_count = draws.uniform(0, 0.05), 0
    while time < seconds:
        for blow in range(int(ring * (0.4 if double else 1.0) * rate)):
            onset = time + (blow + draws.uniform(-0.05, 0.05)) / rate
            hit = gongs[blow % 2] * np.float32(draws.uniform(0.8, 1.0))
            lay(canvas, max(onset, 0.0), hit, sample_rate)
        ring_count += 1
        short = double and ring_count % 2 == 1
        time += ring * (0.4 if double else 1.0) + (0.2 if short else pause)
    return canvas


def smoke_alarm(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A piezo beeper. Varied: pitch, beep and gap lengths, groups of three, roughness, harmonics, room."""
    pitch = below_nyquist(draws.log_trait(2500, 3600), sample_rate)
    beep = draws.log_trait(0.06, 0.5)
    gap = beep * draws.log_trait(0.5, 1.3)
    group = draws.pick((1, 3, 3, 4))
    group_gap = draws.log_trait(0.3, 1.0)
    third = draws.trait(0.05, 0.5)
    rough = draws.trait(0.0, 0.5)
    rough_hz = draws.log_trait(40, 300)
    chirp = draws.trait(-0.02, 0.02)
    echo_seconds, echo = draws.log_trait(0.01, 0.05), draws.trait(0.05, 0.4)
    axis = np.arange(sample_count(beep, sample_rate)) / sample_rate
    sound = harmonics(pitch * (1 + chirp * axis / beep), (1.0, 0.1, third), sample_rate)
    sound *= (1 - rough * (0.5 + 0.5 * np.sin(2 * np.pi * rough_hz * axis))).astype(np.float32)
    sound = faded(sound, 0.004, 0.004, sample_rate)
    canvas = silence(seconds, sample_rate)
    time = draws.uniform(0, 0.05)
    while time < seconds:
        for _ in range(group):
            lay(canvas, time, sound, sample_rate)
            time += beep + gap
        time += group_gap if group > 1 else 0.0
    lay(canvas, echo_seconds, canvas * np.float32(echo), sample_rate)
    return canvas
