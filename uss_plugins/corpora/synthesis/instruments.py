"""Piano, guitar, violin and flute: plucked, struck, bowed and blown melodies."""

from __future__ import annotations

import numpy as np

from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import (
    HIGHEST,
    Audio,
    Curve,
    Gain,
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
    shape,
    shaped_noise,
    silence,
    unit_rms,
    wander,
)

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
"""Major, minor and two pentatonic scales, in semitones."""


class _Melody:
    """A random walk over a scale from a root frequency."""

    def __init__(self, draws: Draws, root: float, reach: int) -> None:
        self.draws, self.root, self.reach = draws, root, reach
        self.scale = draws.pick(SCALES)
        self.step = draws.count(0, reach)

    def next(self) -> float:
        self.step = int(np.clip(self.step + self.draws.count(-3, 3), 0, self.reach))
        return self.frequency(self.step)

    def frequency(self, step: int) -> float:
        octave, degree = divmod(step, len(self.scale))
        return float(self.root * 2.0 ** (octave + self.scale[degree] / 12))


def piano(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A piano: melody over chords. Varied: register, tempo, touch, inharmonicity, decay, pedal, tuning."""
    melody = _Melody(draws, draws.log_trait(65, 420), 9)
    interval = 1 / draws.log_trait(1.2, 6.0)
    touch = draws.log_trait(2.0, 8.0)
    stiffness = draws.log_trait(1e-4, 1.2e-3)
    sustain = draws.log_trait(1.5, 5.0)
    pedal = draws.trait(0.35, 1.8)
    detune = draws.log_trait(0.0002, 0.0012)
    chord_share = draws.trait(0.1, 0.8)
    canvas = silence(seconds, sample_rate)
    time = draws.uniform(0, 0.06)
    while time < seconds:
        notes = [melody.next()]
        if draws.chance(chord_share):
            notes += [melody.frequency(max(melody.step - down, 0)) for down in (2, 4)]
        for hertz in dict.fromkeys(notes):
            lasting = min(interval + pedal, seconds - time)
            note = _piano_note(
                draws, hertz, touch, stiffness, sustain, detune, lasting, sample_rate
            )
            lay(canvas, time, note * np.float32(draws.uniform(0.5, 1)), sample_rate)
        time += interval * draws.pick((0.5, 1, 1, 1, 2))
    return canvas


def _piano_note(
    draws: Draws,
    hertz: float,
    touch: float,
    stiffness: float,
    sustain: float,
    detune: float,
    seconds: float,
    sample_rate: int,
) -> Audio:
    """Two detuned strings with stiff partials, a fast and a slow decay, and the hammer's knock."""
    partial = np.arange(1, min(18, int(HIGHEST * 32000 / hertz) + 1))
    frequencies = hertz * partial * np.sqrt(1 + stiffness * partial**2)
    amplitudes = np.abs(np.sin(np.pi * partial / 7.7)) * np.exp(-partial / touch) / partial**0.3
    decays = sustain * (200 / hertz) ** 0.4 / (1 + 0.25 * (partial - 1))
    both = np.concatenate
    sound = damped_sines(
        both([frequencies, frequencies * (1 + detune)]),
        both([decays, 0.4 * decays]),
        both([0.5 * amplitudes, amplitudes]),
        draws.spread(0, 2 * np.pi, 2 * len(partial)),
        seconds,
        sample_rate,
    )
    knock = shaped_noise(draws, lambda f: peak(f, 350, 1.0), min(0.06, seconds), sample_rate)
    knock = unit_rms(knock) * np.float32(0.08)
    lay(sound, 0, faded(knock, 0.002, 0.05, sample_rate), sample_rate)
    return faded(sound, 0.002, 0.06, sample_rate)


def guitar(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A guitar, picked or strummed. Varied: register, tempo, pluck place, brightness, decay, body, style."""
    melody = _Melody(draws, draws.log_trait(82, 240), 8)
    interval = 1 / draws.log_trait(2.2, 8.0)
    pluck = draws.trait(0.08, 0.35)
    brightness = draws.log_trait(1.0, 3.5)
    sustain = draws.log_trait(0.8, 3.5)
    strumming = draws.trait(0.1, 0.9)
    strum_seconds = draws.log_trait(0.008, 0.04)
    body = (draws.log_trait(90, 130), draws.log_trait(180, 260), draws.log_trait(380, 560))
    canvas = silence(seconds, sample_rate)
    time = draws.uniform(0, 0.06)
    while time < seconds:
        root = melody.next()
        strum = draws.chance(strumming)
        chord = draws.pick(((1, 1.5, 2, 2.52, 3), (1, 1.5, 2, 2.38, 3), (1, 1.5, 2)))
        for place, ratio in enumerate(chord if strum else (1.0,)):
            onset = time + place * strum_seconds
            lasting = min(draws.uniform(1.0, 1.6) * max(interval * 2, 0.7), seconds - onset)
            if lasting > 0.02:
                hertz = root * ratio * draws.uniform(0.998, 1.002)
                note = _plucked(draws, hertz, pluck, brightness, sustain, lasting, sample_rate)
                lay(canvas, onset, note, sample_rate)
        time += interval * (2 if strum else 1) * draws.pick((0.5, 1, 1, 1, 1.5))

    def resonant(hertz: Curve) -> Curve:
        return 0.5 + sum((1.5 * peak(hertz, one, 0.12) for one in body), np.zeros_like(hertz))

    return shape(canvas, resonant, sample_rate)


def _plucked(
    draws: Draws,
    hertz: float,
    pluck: float,
    brightness: float,
    sustain: float,
    seconds: float,
    sample_rate: int,
) -> Audio:
    """The modes of an ideal string plucked at a share of its length; high ones die first."""
    partial = np.arange(1, min(26, int(7500 / hertz) + 1))
    amplitudes = np.sin(np.pi * partial * pluck) / partial ** (1.6 / brightness)
    decays = sustain * (200 / hertz) ** 0.3 / (1 + 0.02 * partial**2 / brightness)
    frequencies = hertz * partial * np.sqrt(1 + 6e-5 * partial**2)
    phases = draws.spread(-0.4, 0.4, len(partial))
    sound = damped_sines(frequencies, decays, amplitudes, phases, seconds, sample_rate)
    return faded(sound, 0.001, 0.04, sample_rate)


def violin(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A bowed melody. Varied: register, note lengths, vibrato, glides, bow noise, attack, body."""
    melody = _Melody(draws, draws.log_trait(196, 700), 7)
    note_seconds = draws.log_trait(0.18, 1.2)
    attack = draws.log_trait(0.02, 0.12)
    glide = draws.log_trait(0.015, 0.09)
    vibrato_hz, vibrato = draws.trait(4.5, 7.0), draws.trait(0.003, 0.02)
    bow_noise = draws.log_trait(0.01, 0.08)
    times, pitches, levels = [0.0], [melody.next()], [0.3]
    while times[-1] < seconds:
        lasting = note_seconds * draws.pick((0.5, 1, 1, 2)) * draws.uniform(0.9, 1.1)
        dip = 0.25 if draws.chance(0.6) else 0.8
        start, hertz = times[-1], melody.next()
        times += [start + glide, start + glide + attack, start + glide + attack + lasting]
        pitches += [hertz, hertz, hertz]
        levels += [dip, 1.0, draws.uniform(0.6, 1.0)]
    frequency = curve(times, pitches, seconds, sample_rate)
    level = curve(times, levels, seconds, sample_rate).astype(np.float32)
    axis = np.arange(len(frequency)) / sample_rate
    sway = vibrato * np.sin(2 * np.pi * vibrato_hz * axis)
    frequency *= 1 + sway + 0.003 * wander(draws, seconds, sample_rate, 8)
    body: Gain = _violin_body(draws)
    string = pulses(pulse_positions(frequency, sample_rate), 1.0, len(frequency))
    bow = shaped_noise(draws, lambda f: peak(f, 2500, 1.2), seconds, sample_rate)
    string = unit_rms(string) + np.float32(bow_noise) * unit_rms(bow)
    return faded(shape(string, body, sample_rate) * level, 0.03, 0.05, sample_rate)


def _violin_body(draws: Draws) -> Gain:
    """The saw of the string (-6 dB per octave), air and wood resonances, and the bridge's hill."""
    resonances = draws.spread(0.92, 1.08, 4) * (280, 460, 550, 900)
    hill, hill_gain = draws.log_trait(2000, 3200), draws.trait(1.0, 3.0)
    roll_off = draws.log_trait(3000, 6000)

    def gain(hertz: Curve) -> Curve:
        bumps = sum((1.2 * peak(hertz, one, 0.08) for one in resonances), np.zeros_like(hertz))
        coloured = 0.7 + bumps + hill_gain * peak(hertz, hill, 0.4)
        return coloured * (300 / hertz) * high_pass(hertz, 180) * low_pass(hertz, roll_off)

    return gain


def flute(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A blown melody. Varied: register, note lengths, vibrato, breath, brightness, attack."""
    melody = _Melody(draws, draws.log_trait(262, 800), 7)
    note_seconds = draws.log_trait(0.2, 1.3)
    attack = draws.log_trait(0.03, 0.12)
    vibrato_hz, vibrato = draws.trait(4.0, 6.5), draws.trait(0.02, 0.35)
    second, third = draws.log_trait(0.08, 0.6), draws.log_trait(0.03, 0.3)
    breath = draws.log_trait(0.02, 0.15)
    tones, winds = silence(seconds, sample_rate), silence(seconds, sample_rate)
    time = draws.uniform(0, 0.05)
    while time < seconds:
        lasting = note_seconds * draws.pick((0.5, 1, 1, 2)) * draws.uniform(0.9, 1.1)
        lasting = max(min(lasting, seconds - time), 0.02)
        hertz = melody.next()
        scoop = curve([0, attack], [-0.015, 0.0], lasting, sample_rate)
        axis = np.arange(len(scoop)) / sample_rate
        sway = np.sin(2 * np.pi * vibrato_hz * axis)
        frequency = hertz * (1 + scoop + 0.012 * vibrato * sway)
        tone = harmonics(frequency, (1, second, third, 0.3 * third, 0.1 * third), sample_rate)
        tone *= (1 + vibrato * sway).astype(np.float32) * np.float32(draws.uniform(0.6, 1))
        lay(tones, time, faded(tone, attack, 0.05, sample_rate), sample_rate)
        wind = unit_rms(_breath(draws, hertz, lasting, sample_rate))
        lay(winds, time, faded(wind, 0.5 * attack, 0.05, sample_rate), sample_rate)
        time += lasting + (draws.uniform(0.05, 0.25) if draws.chance(0.2) else 0.0)
    tones += np.float32(breath) * winds
    return tones


def _breath(draws: Draws, hertz: float, seconds: float, sample_rate: int) -> Audio:
    return shaped_noise(
        draws, lambda f: peak(f, 1.2 * hertz, 0.5) + 0.3 * peak(f, 4000, 0.9), seconds, sample_rate
    )
