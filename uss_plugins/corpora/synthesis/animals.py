"""Dogs, cats, birds and crickets."""

from __future__ import annotations

import numpy as np

from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import (
    Audio,
    below_nyquist,
    curve,
    faded,
    harmonics,
    lay,
    sample_count,
    silence,
)
from uss_plugins.corpora.synthesis.vocal import Gesture, Throat, vocalise


def bark(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A dog barking, singly or in bouts. Varied: size, hoarseness, rhythm, length, contour."""
    pitch = draws.log_trait(220, 900)
    size = draws.log_trait(0.75, 1.5) * (pitch / 450) ** 0.35
    length = draws.log_trait(0.09, 0.28)
    gap = draws.log_trait(0.12, 0.7)
    hoarse = draws.log_trait(1.5, 12)
    rise = draws.trait(0.1, 0.7)
    throat = Throat(
        tilt_hz=draws.log_trait(1500, 5000),
        jitter=draws.log_trait(0.02, 0.12),
        shimmer=draws.log_trait(0.1, 0.4),
        bandwidths=(draws.trait(100, 250), draws.trait(150, 350), 400.0),
        fixed_formants=(min(3600 * size, 5000.0),),
        fixed_bandwidths=(600.0,),
    )
    gestures: list[Gesture] = []
    time = draws.uniform(0.0, 0.06)
    while time < seconds:
        for _ in range(draws.count(1, 3)):
            lasting = length * draws.uniform(0.8, 1.2)
            loud = draws.uniform(0.6, 1.0)
            # the jaw opens and closes: the first formant goes up and down again
            for share, bend, open_, level in (
                (0.0, 0.0, 0.6, 0.0),
                (0.08, 0.6, 0.9, 0.9),
                (0.3, 1.0, 1.2, 1.0),
                (0.6, 0.5, 0.9, 0.45),
                (1.0, -0.3, 0.6, 0.0),
            ):
                formants = (700 * size * open_, 1500 * size * (0.7 + 0.3 * open_), 2600 * size)
                gesture = Gesture(
                    time + share * lasting,
                    pitch * (1 + rise * bend),
                    level * loud,
                    level * loud * hoarse,
                    formants,
                )
                gestures.append(gesture)
            time += lasting + 0.06 + 0.3 * gap * draws.uniform(0, 1)
        time += gap * draws.uniform(0.7, 1.3)
    return vocalise(draws, gestures, throat, seconds, sample_rate)


def meow(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A cat: m-i-a-o-w. Varied: pitch and its arch, length, vowels, vibrato, breathiness, pauses."""
    pitch = draws.log_trait(330, 850)
    arch = draws.trait(0.1, 0.7)
    lasting = draws.log_trait(0.45, 1.4)
    pause = draws.log_trait(0.15, 0.7)
    size = draws.log_trait(0.85, 1.25)
    breath = draws.log_trait(0.3, 3)
    vibrato = draws.trait(0.0, 0.03)
    throat = Throat(
        tilt_hz=draws.log_trait(1500, 6000),
        jitter=draws.log_trait(0.002, 0.015),
        shimmer=draws.log_trait(0.02, 0.12),
        bandwidths=(draws.trait(90, 180), draws.trait(120, 250), 300.0),
        fixed_formants=(min(4400 * size, 5000.0),),
        fixed_bandwidths=(500.0,),
    )
    gestures: list[Gesture] = []
    time = draws.uniform(0.0, 0.08)
    while time < seconds:
        length = lasting * draws.uniform(0.75, 1.3)
        tune = draws.uniform(0.92, 1.08)
        peak_at = draws.uniform(0.25, 0.55)
        shares = np.linspace(0, 1, 17)
        first = np.interp(shares, [0, 0.12, 0.25, peak_at + 0.1, 1], [300, 350, 650, 1050, 450])
        second = np.interp(shares, [0, 0.12, 0.3, peak_at + 0.1, 1], [1600, 2300, 2100, 1600, 850])
        level = np.interp(shares, [0, 0.05, 0.2, 0.6, 1], [0, 0.3, 1, 0.9, 0])
        bend = np.interp(shares, [0, peak_at, 1], [-0.5, 1, -0.6])
        wobble = vibrato * np.sin(2 * np.pi * 6 * length * shares)
        for share, one, two, loud, up, sway in zip(
            shares, first, second, level, bend, wobble, strict=True
        ):
            formants = (one * size, two * size, 3000 * size)
            hertz = pitch * tune * (1 + arch * up * 0.6 + sway)
            gestures.append(Gesture(time + share * length, hertz, loud, loud * breath, formants))
        time += length + pause * draws.uniform(0.6, 1.4)
    return vocalise(draws, gestures, throat, seconds, sample_rate)


def chirp(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A songbird: motifs of short whistled syllables that sweep, arch, trill or fall.

    Varied: register, sweep width, syllable and pause lengths, trilling, the motif itself.
    """
    register = draws.log_trait(1800, 4200)
    width = draws.trait(0.1, 0.9)
    length = draws.log_trait(0.035, 0.2)
    gap = draws.log_trait(0.025, 0.15)
    phrase_gap = draws.log_trait(0.15, 0.8)
    trill_hz, trill = draws.log_trait(25, 90), draws.trait(0.05, 0.9)
    overtone = draws.trait(0.05, 0.3)
    canvas = silence(seconds, sample_rate)
    motif = [_syllable_shape(draws) for _ in range(draws.count(1, 4))]
    time = draws.uniform(0.0, 0.08)
    while time < seconds:
        for _ in range(draws.count(1, 3)):
            for shape_points, place, stretch in motif:
                lasting = length * stretch * draws.uniform(0.9, 1.1)
                centre = below_nyquist(register * 2.0 ** (place * width), sample_rate)
                bend = curve(np.linspace(0, lasting, 4), shape_points, lasting, sample_rate)
                tone = harmonics(centre * 2.0 ** (0.5 * width * bend), (1, overtone), sample_rate)
                seconds_axis = np.arange(len(tone)) / sample_rate
                depth = trill if stretch > 1.2 else 0.0
                pulse = 1 - depth * (0.5 + 0.5 * np.cos(2 * np.pi * trill_hz * seconds_axis))
                tone *= (pulse * draws.uniform(0.5, 1)).astype(np.float32)
                lay(
                    canvas,
                    time,
                    faded(tone, 0.3 * lasting, 0.5 * lasting, sample_rate),
                    sample_rate,
                )
                time += lasting + gap * draws.uniform(0.8, 1.2)
        time += phrase_gap * draws.uniform(0.6, 1.4)
    return canvas


def _syllable_shape(draws: Draws) -> tuple[tuple[float, ...], float, float]:
    """Contour in [-1, 1] at four equidistant times, place in the register, and relative length."""
    contour = draws.pick([(-1, -0.3, 0.4, 1), (1, 0.3, -0.4, -1), (-1, 1, 1, -1), (1, -1, -1, 1)])
    return contour, draws.uniform(-0.5, 0.5), draws.uniform(0.6, 2.0)


def cricket(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """Crickets: a pure carrier in short pulses, grouped into regular chirps or going on as a trill.

    Varied: carrier, pulse rate and length, pulses per chirp, chirp rate, and up to three insects.
    """
    canvas = silence(seconds, sample_rate)
    for insect in range(draws.pick((1, 1, 2, 3))):
        carrier = below_nyquist(draws.log_trait(2600, 6000), sample_rate)
        pulse_rate = draws.log_trait(22, 55)
        duty = draws.trait(0.35, 0.75)
        group = draws.count(2, 6)
        chirp_gap = draws.log_trait(0.05, 0.45) if draws.chance(0.75) else 0.0
        period = group / pulse_rate + chirp_gap
        axis = np.arange(sample_count(seconds, sample_rate)) / sample_rate
        in_chirp = (axis + draws.uniform(0, period) * (insect > 0)) % period
        in_pulse = (in_chirp * pulse_rate) % 1.0
        sounding = (in_pulse < duty) & (in_chirp < group / pulse_rate)
        envelope = np.where(sounding, np.sin(np.pi * in_pulse / duty) ** 2, 0.0)
        envelope *= 0.7 + 0.3 * np.minimum(in_chirp * pulse_rate / group, 1)
        # the wing slows during a stroke, so each pulse glides down a little
        carrier_curve = carrier * (1.0 + draws.uniform(0.005, 0.02) * (0.5 - in_pulse))
        tone = harmonics(carrier_curve, (1.0, 0.08), sample_rate)
        canvas += tone * (envelope * draws.uniform(0.4, 1.0)).astype(np.float32)
    return canvas
