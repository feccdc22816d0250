"""Tools that the generators share: curves, band-limited oscillators, noise, modes, placing.

Curves are (samples,) float64, sounds (samples,) float32, frequencies in Hz, times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from uss_plugins.corpora.synthesis.draws import Draws

Audio = NDArray[np.float32]
Curve = NDArray[np.float64]
Gain = Callable[[Curve], Curve]
"""Frequencies (bins,) in Hz -> linear gain at each."""

HIGHEST = 0.45
"""Highest frequency that is synthesised, as a share of the sample rate."""


def sample_count(seconds: float, sample_rate: int) -> int:
    """Samples of so many seconds, at least one."""
    return max(1, round(seconds * sample_rate))


def below_nyquist(frequency: float, sample_rate: int) -> float:
    """The frequency, lowered by octaves until it lies under 0.42 of the sample rate.

    A high tone would be silence at a low sample rate; so it is sung lower there.
    """
    while frequency > 0.42 * sample_rate:
        frequency /= 2
    return frequency


def curve(
    times: Sequence[float] | Curve,
    values: Sequence[float] | Curve,
    seconds: float,
    sample_rate: int,
) -> Curve:
    """Straight lines through the points, at every sample; level beyond the first and last."""
    samples = sample_count(seconds, sample_rate)
    return np.interp(np.arange(samples) / sample_rate, times, values)


def wander(draws: Draws, seconds: float, sample_rate: int, rate: float) -> Curve:
    """A slow random curve about 0, within [-1, 1], that turns `rate` times a second."""
    points = int(np.ceil(seconds * rate)) + 2
    values = draws.spread(-1, 1, points)
    return curve(np.arange(points) / rate, values, seconds, sample_rate)


def harmonics(frequency: Curve, amplitudes: Sequence[float], sample_rate: int) -> Audio:
    """A periodic sound: sines at the multiples of a curve of fundamental frequencies.

    Each multiple fades out as it nears the Nyquist frequency, so nothing aliases.
    """
    turns = np.cumsum(frequency) / sample_rate
    step = np.exp(2j * np.pi * (turns % 1.0)).astype(np.complex64)
    power = np.ones_like(step)
    sound = np.zeros(len(step), np.float32)
    lowest, highest = float(frequency.min()), float(frequency.max())
    for multiple, amplitude in enumerate(amplitudes, start=1):
        if multiple * lowest >= (HIGHEST + 0.03) * sample_rate:
            break
        power *= step
        partial = power.imag * np.float32(amplitude)
        if multiple * highest > HIGHEST * sample_rate:
            room = HIGHEST + 0.03 - multiple * frequency / sample_rate
            partial = partial * np.clip(room / 0.03, 0, 1).astype(np.float32)
        sound += partial
    return sound


def pulse_positions(frequency: Curve, sample_rate: int) -> Curve:
    """Where, in fractional samples, a train of pulses of that frequency has its pulses."""
    turns = np.cumsum(frequency) / sample_rate
    whole = np.arange(np.ceil(turns[0]), np.floor(turns[-1]) + 1)
    return np.interp(whole, turns, np.arange(len(turns)))


def pulses(positions: ArrayLike, amplitudes: ArrayLike, samples: int) -> Audio:
    """Band-limited unit pulses at fractional positions: 16 taps of a windowed sinc each."""
    places = np.asarray(positions, np.float64)
    first = np.floor(places).astype(np.int64) - 7
    taps = first[:, None] + np.arange(16)
    offset = taps - places[:, None]
    shape = np.sinc(2 * HIGHEST * offset) * (0.5 + 0.5 * np.cos(np.pi * offset / 8.0))
    shape = 2 * HIGHEST * shape * np.broadcast_to(amplitudes, places.shape)[:, None]
    inside = (taps >= 0) & (taps < samples) & (np.abs(offset) < 8)
    return np.bincount(taps[inside], shape[inside], minlength=samples).astype(np.float32)


def damped_sines(
    frequencies: ArrayLike,
    decays: ArrayLike,
    amplitudes: ArrayLike,
    phases: ArrayLike,
    seconds: float,
    sample_rate: int,
) -> Audio:
    """The ringing of a struck or plucked body: the sum of its modes.

    Modes near or above the Nyquist frequency are left out. A mode is a complex power series, so one
    outer product of two short series gives all of it: much cheaper than a sine per sample.

    Args:
        frequencies, amplitudes, phases: of each mode.
        decays: time in which each mode falls by 60 dB.
    """
    samples = sample_count(seconds, sample_rate)
    width = int(np.ceil(np.sqrt(samples)))
    sound = np.zeros((width, width), np.float32)
    modes = np.broadcast_arrays(*np.atleast_1d(frequencies, decays, amplitudes, phases))
    for frequency, decay, amplitude, phase in zip(*modes, strict=True):
        if frequency >= HIGHEST * sample_rate or amplitude == 0:
            continue
        rate = complex(-np.log(1000.0) / decay, 2 * np.pi * frequency) / sample_rate
        inner = np.exp(rate * np.arange(width))
        outer = np.exp(rate * width * np.arange(width)) * amplitude * np.exp(1j * phase)
        sound += np.multiply.outer(outer.imag.astype(np.float32), inner.real.astype(np.float32))
        sound += np.multiply.outer(outer.real.astype(np.float32), inner.imag.astype(np.float32))
    return sound.ravel()[:samples]


def shaped_noise(draws: Draws, gain: Gain, seconds: float, sample_rate: int) -> Audio:
    """Stationary Gaussian noise with the spectrum `gain`."""
    samples = sample_count(seconds, sample_rate)
    size = scipy.fft.next_fast_len(max(samples, 2), real=True)
    white = draws.noise(2 * (size // 2 + 1)).view(np.complex64)
    hertz = np.arange(len(white)) * (sample_rate / size)
    spectrum = white * gain(np.maximum(hertz, 1.0)).astype(np.float32)
    spectrum[0] = 0
    noise: Audio = scipy.fft.irfft(spectrum, size)[:samples] * np.float32(np.sqrt(size / 2))
    return noise


def shape(sound: Audio, gain: Gain, sample_rate: int) -> Audio:
    """The sound through a filter of zero phase; for broad shapes, that ring shortly."""
    size = scipy.fft.next_fast_len(len(sound) + sample_rate // 10, real=True)
    spectrum = scipy.fft.rfft(sound, size)
    hertz = np.arange(len(spectrum)) * (sample_rate / size)
    spectrum *= gain(np.maximum(hertz, 1.0)).astype(np.float32)
    shaped: Audio = scipy.fft.irfft(spectrum, size)[: len(sound)]
    return shaped


def low_pass(hertz: Curve, corner: float, order: float = 2.0) -> Curve:
    """Gain of a Butterworth low-pass."""
    return 1.0 / np.sqrt(1.0 + (hertz / corner) ** (2 * order))


def high_pass(hertz: Curve, corner: float, order: float = 2.0) -> Curve:
    """Gain of a Butterworth high-pass."""
    return 1.0 / np.sqrt(1.0 + (corner / hertz) ** (2 * order))


def peak(hertz: Curve, centre: float, octaves: float) -> Curve:
    """Gain of a bump: 1 at the centre, a Gaussian of that deviation in octaves around it."""
    return np.exp(-0.5 * (np.log2(hertz / centre) / octaves) ** 2)


def tilt(hertz: Curve, decibels_per_octave: float) -> Curve:
    """Gain of a straight slope over octaves, 1 at 1 kHz; level below 20 Hz."""
    octaves = np.log2(np.maximum(hertz, 20.0) / 1000.0)
    return 10.0 ** (decibels_per_octave * octaves / 20.0)


def faded(sound: Audio, attack: float, release: float, sample_rate: int) -> Audio:
    """The sound with raised-cosine flanks of so many seconds."""
    faded_sound: Audio = sound.copy()
    for seconds, part in ((attack, faded_sound), (release, faded_sound[::-1])):
        samples = min(len(sound), round(seconds * sample_rate))
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(samples) + 0.5) / max(samples, 1))
        part[:samples] *= ramp.astype(np.float32)
    return faded_sound


def lay(canvas: Audio, onset: float, sound: Audio, sample_rate: int) -> None:
    """Add a sound to the canvas from a time on; what overhangs the end is dropped."""
    start = round(onset * sample_rate)
    room = canvas[start : start + len(sound)]
    room += sound[: len(room)]


def silence(seconds: float, sample_rate: int) -> Audio:
    """An empty canvas."""
    return np.zeros(sample_count(seconds, sample_rate), np.float32)


def unit_rms(sound: Audio) -> Audio:
    """The sound at an RMS of 1; silence stays silence."""
    power = float(np.mean(np.square(sound, dtype=np.float64)))
    return sound * np.float32(1.0 / np.sqrt(power)) if power > 0 else sound
