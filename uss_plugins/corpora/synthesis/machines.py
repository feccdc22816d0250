"""Engine, train horn, vacuum cleaner, ticking clock."""

from __future__ import annotations

import numpy as np

from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import (
    Audio,
    Curve,
    curve,
    damped_sines,
    faded,
    harmonics,
    high_pass,
    lay,
    low_pass,
    peak,
    pulse_positions,
    pulses,
    sample_count,
    shape,
    shaped_noise,
    silence,
    unit_rms,
    wander,
)


def engine(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A combustion engine idling, driving or revving.

    Varied: speed and its course, number and unevenness of cylinders, exhaust, intake and valve noise.
    """
    idle = draws.log_trait(14, 75)
    restless = draws.trait(0.0, 1.2)
    cylinders = draws.pick((1, 2, 3, 4, 6))
    uneven = draws.trait(0.1, 0.7)
    exhaust = [draws.log_trait(70, 160), draws.log_trait(200, 450), draws.log_trait(600, 1400)]
    brightness = draws.log_trait(600, 2400)
    noise_share = draws.log_trait(0.15, 0.6)
    if draws.chance(0.5):  # rev: the pedal goes down and up
        times = np.cumsum(np.r_[0.0, draws.spread(0.25, 1.2, int(seconds / 0.25) + 2)])
        speed = curve(times, draws.spread(0, 1, len(times)) * restless, seconds, sample_rate)
    else:
        speed = 0.3 * restless * (1 + wander(draws, seconds, sample_rate, 0.7))
    frequency = idle * 2.0 ** (1.5 * speed) * (1 + 0.02 * wander(draws, seconds, sample_rate, 10))
    positions = pulse_positions(frequency, sample_rate)
    strengths = 1 + uneven * draws.spread(-1, 1, cylinders)
    fired = strengths[np.arange(len(positions)) % cylinders]
    fired = fired * (1 + 0.1 * draws.rng.standard_normal(len(positions)))
    bangs = unit_rms(pulses(positions, fired, len(frequency)))
    # combustion noise comes in puffs, one per bang
    puff = 0.15 + 0.85 * (0.5 + 0.5 * np.cos(2 * np.pi * np.cumsum(frequency) / sample_rate)) ** 2
    roar = unit_rms(shaped_noise(draws, lambda f: peak(f, 1000, 0.9), seconds, sample_rate))

    def pipe(hertz: Curve) -> Curve:
        bumps = sum((2.0 * peak(hertz, one, 0.25) for one in exhaust), np.zeros_like(hertz))
        return (0.5 + bumps) * high_pass(hertz, 30) * low_pass(hertz, brightness, 1.5)

    sound = unit_rms(shape(bangs, pipe, sample_rate))
    sound += np.float32(noise_share) * roar * puff.astype(np.float32)
    return sound * (0.6 + 0.4 * speed).astype(np.float32)


def train_horn(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A chord of horns in long blasts. Varied: pitch, chord, brightness, blast lengths, beating."""
    root = draws.log_trait(190, 400)
    chord = draws.pick(
        ((1, 1.19, 1.33, 1.59, 2), (1, 1.25, 1.5), (1, 1.19, 1.5, 1.78), (1, 1.26), (1, 1.33, 1.68))
    )
    fall = draws.log_trait(2.5, 8.0)
    blast = draws.log_trait(0.6, 2.5)
    pause = draws.log_trait(0.12, 0.5)
    attack = draws.log_trait(0.03, 0.15)
    times, levels = [0.0], [0.0]
    start = draws.uniform(0, 0.05)
    while start < seconds:
        lasting = blast * draws.uniform(0.4, 1.2)
        times += [start, start + attack, start + lasting, start + lasting + 0.1]
        levels += [0.0, 1.0, draws.uniform(0.85, 1.0), 0.0]
        start += lasting + 0.1 + pause * draws.uniform(0.7, 1.3)
    level = curve(times, levels, seconds, sample_rate)
    multiple = np.arange(1, 25)
    spectrum = np.exp(-multiple / fall) * (1 + 0.6 * draws.spread(-1, 1, len(multiple)))
    sound = silence(seconds, sample_rate)
    for ratio in chord:
        # a horn starts flat and rises as the pressure builds up
        pitch = root * ratio * draws.uniform(0.99, 1.01) * (0.96 + 0.04 * np.sqrt(level))
        sound += harmonics(pitch, tuple(spectrum), sample_rate) * np.float32(draws.uniform(0.7, 1))
    air = shaped_noise(draws, lambda f: peak(f, 2500, 1.0), seconds, sample_rate)
    sound = unit_rms(sound) + np.float32(0.04) * unit_rms(air)
    sounding: Audio = sound * level.astype(np.float32)
    return sounding


def vacuum_cleaner(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A motor's whine in a rush of air. Varied: motor speed and load, blades, airflow, hose, movement."""
    motor = draws.log_trait(150, 480)
    blades = draws.pick((5, 6, 7, 9))
    whine = draws.log_trait(0.15, 0.8)
    airflow = draws.log_trait(700, 3000)
    breadth = draws.trait(0.8, 1.6)
    hose = draws.log_trait(250, 700)
    load = 0.02 + 0.04 * draws.trait(0.05, 1.0)
    movement = wander(draws, seconds, sample_rate, draws.log_trait(0.8, 2.5))
    frequency = motor * (1 + load * movement)
    if draws.chance(0.3):  # it is switched on
        run_up = draws.uniform(0.3, 0.8)
        frequency *= curve([0, 0.5 * run_up, run_up], [0.4, 0.85, 1.0], seconds, sample_rate)
    amplitudes = np.exp(-np.arange(1, 13) / 3.0) * draws.spread(0.2, 1.0, 12)
    amplitudes[blades - 1] += draws.uniform(0.3, 1.2)
    motor_sound = harmonics(frequency, tuple(amplitudes), sample_rate)

    def air(hertz: Curve) -> Curve:
        rush = peak(hertz, airflow, breadth) + 0.7 * peak(hertz, hose, 0.3) + 0.06
        return rush * high_pass(hertz, 90)

    rush = unit_rms(shaped_noise(draws, air, seconds, sample_rate))
    rush *= (1 + 0.25 * movement).astype(np.float32)
    sound = rush + np.float32(whine) * unit_rms(motor_sound)
    return faded(sound, draws.uniform(0.03, 0.3), 0.05, sample_rate)


def tick_tock(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A clock: two alternating clicks. Varied: period, limp, size and material, case, doubled clicks."""
    period = draws.log_trait(0.18, 0.75)
    limp = draws.trait(0.0, 0.12)
    size = draws.log_trait(0.5, 1.8)
    damping = draws.log_trait(0.012, 0.07)
    case_share = draws.log_trait(0.1, 1.2)
    case = draws.log_trait(180, 900)
    spread = draws.trait(0.05, 0.4)
    clicks = []
    for side in (1.0, 1.0 + spread):
        modes = side / size * np.array([1700, 2600, 3900, 5200, 6800]) * draws.spread(0.9, 1.1, 5)
        loudness = draws.spread(0.3, 1.0, 5)
        click = damped_sines(modes, damping, loudness, draws.spread(0, 6, 5), 0.25, sample_rate)
        body = damped_sines((case, 1.7 * case), 0.12, (1.0, 0.6), 0.0, 0.25, sample_rate)
        snap = faded(draws.noise(sample_count(0.004, sample_rate)), 0.0005, 0.003, sample_rate)
        lay(click, 0, snap * np.float32(0.5), sample_rate)
        clicks.append(click + np.float32(case_share * 0.5) * body)
    echo = draws.uniform(0.008, 0.03)
    echo_share = draws.trait(0.05, 0.6)
    canvas = silence(seconds, sample_rate)
    time, beat = draws.uniform(0, 0.06), 0
    while time < seconds:
        click = clicks[beat % 2] * np.float32(draws.uniform(0.85, 1.0))
        lay(canvas, time, click, sample_rate)
        lay(canvas, time + echo, click * np.float32(echo_share), sample_rate)
        time += period * (1 + (limp if beat % 2 else -limp)) * draws.uniform(0.995, 1.005)
        beat += 1
    return canvas
