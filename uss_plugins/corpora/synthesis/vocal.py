"""A vocal tract: pulses and noise through formants that move. Throats of people and animals share it.

The source-filter model of Klatt, "Software for a cascade/parallel formant synthesizer", JASA 67 (1980),
with the filters applied to short overlapping frames in the frequency domain, all frames at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import (
    HIGHEST,
    Audio,
    Curve,
    curve,
    pulse_positions,
    pulses,
)

HOP_SECONDS = 0.008
FRAME_HOPS = 6
"""Length of a filtered frame in hops: two of input, four for what rings on."""


class Gesture(NamedTuple):
    """What the throat does at one time; between two gestures everything moves on straight lines.

    voice, breath, hiss: amplitudes of the pulses, of noise through the formants, and of noise
        through a bump at `hiss_hz` that is `hiss_octaves` wide.
    formants: the moving resonances, in Hz.
    """

    time: float
    pitch: float
    voice: float
    breath: float
    formants: tuple[float, ...]
    hiss: float = 0.0
    hiss_hz: float = 4000.0
    hiss_octaves: float = 0.5


@dataclass(frozen=True)
class Throat:
    """What stays the same during one sound.

    tilt_hz: above it the voice falls by another 6 dB per octave; a bright voice has a high one.
    jitter, shimmer: random deviation of each pulse in time (share of a period) and amplitude.
    bandwidths: of the moving formants, in Hz.
    fixed_formants, fixed_bandwidths: resonances that do not move.
    """

    tilt_hz: float
    jitter: float
    shimmer: float
    bandwidths: tuple[float, ...]
    fixed_formants: tuple[float, ...] = ()
    fixed_bandwidths: tuple[float, ...] = ()


def vocalise(
    draws: Draws, gestures: Sequence[Gesture], throat: Throat, seconds: float, sample_rate: int
) -> Audio:
    """The sound of a series of gestures."""
    times = [one.time for one in gestures]
    pitch = curve(times, [one.pitch for one in gestures], seconds, sample_rate)
    samples = len(pitch)
    voiced = _spectra(_voice_pulses(draws, pitch, throat, sample_rate), sample_rate)
    noise = _spectra(draws.noise(samples), sample_rate)

    hop = _hop_size(sample_rate)
    hertz = np.maximum(np.arange(voiced.shape[1]) * (sample_rate / (FRAME_HOPS * hop)), 1.0)
    frame_times = np.arange(len(voiced)) * (hop / sample_rate)

    def track(values: Sequence[float]) -> NDArray[np.float32]:
        """(frames, 1): a gesture's value at each frame."""
        at_frames: Curve = np.interp(frame_times, times, values)
        return at_frames.astype(np.float32)[:, None]

    # (frames, bins): voice and breath go through the formants, hiss through its own bump
    voiced *= track([one.voice for one in gestures]) * _glottal_gain(hertz, throat.tilt_hz)
    voiced += noise * (track([one.breath for one in gestures]) * np.float32(0.05))
    moving = [track(values) for values in zip(*(one.formants for one in gestures), strict=True)]
    fixed = [np.full((1, 1), value, np.float32) for value in throat.fixed_formants]
    bandwidths = throat.bandwidths + throat.fixed_bandwidths
    for formant, bandwidth in zip(moving + fixed, bandwidths, strict=True):
        if float(formant.max()) < HIGHEST * sample_rate:
            voiced *= _resonance(formant, bandwidth, hertz, sample_rate)
    if any(one.hiss for one in gestures):
        bump = np.log2(hertz).astype(np.float32) - np.log2(track([one.hiss_hz for one in gestures]))
        bump /= track([one.hiss_octaves for one in gestures])
        noise *= np.exp(np.float32(-0.5) * bump * bump)
        voiced += noise * (track([one.hiss for one in gestures]) * np.float32(0.3))
    return _overlap_add(voiced, samples, sample_rate)


def _voice_pulses(draws: Draws, pitch: Curve, throat: Throat, sample_rate: int) -> Audio:
    positions = pulse_positions(pitch, sample_rate)
    periods = np.interp(positions, np.arange(len(pitch)), sample_rate / pitch)
    positions = positions + periods * throat.jitter * draws.rng.standard_normal(len(positions))
    amplitudes = 1.0 + throat.shimmer * draws.rng.standard_normal(len(positions))
    # a pulse carries its period's energy, so that high voices are not louder
    return pulses(positions, amplitudes * np.sqrt(periods), len(pitch))


def _glottal_gain(hertz: Curve, tilt_hz: float) -> NDArray[np.float32]:
    """Derivative of the glottal flow: 6 dB per octave down from 250 Hz, 12 beyond `tilt_hz`."""
    slope = 250.0 * hertz / (hertz**2 + 250.0**2)
    return (slope / np.sqrt(1.0 + (hertz / tilt_hz) ** 2)).astype(np.float32)


def _resonance(
    formant: NDArray[np.float32], bandwidth: float, hertz: Curve, sample_rate: int
) -> NDArray[np.complex64]:
    """Response of a two-pole resonator of unit gain at 0 Hz: (frames, bins) from (frames, 1)."""
    radius = np.float32(np.exp(-np.pi * bandwidth / sample_rate))
    first = -2 * radius * np.cos(2 * np.pi * formant / sample_rate).astype(np.float32)
    delay = np.exp(-2j * np.pi * hertz / sample_rate).astype(np.complex64)
    response: NDArray[np.complex64] = (1 + first + radius**2) / (
        (1 + radius**2 * delay**2) + first * delay
    )
    return response


def _hop_size(sample_rate: int) -> int:
    return int(scipy.fft.next_fast_len(max(8, round(HOP_SECONDS * sample_rate)), real=True))


def _spectra(sound: Audio, sample_rate: int) -> NDArray[np.complex64]:
    """(frames, bins): spectra of Hann frames of two hops that add up to the sound."""
    hop = _hop_size(sample_rate)
    frame_count = len(sound) // hop + 2
    padded = np.zeros((frame_count + 1) * hop, np.float32)
    padded[hop : hop + len(sound)] = sound
    hops = padded.reshape(-1, hop)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(hop) + 0.5) / hop)).astype(np.float32)
    frames = np.concatenate([hops[:-1] * ramp, hops[1:] * ramp[::-1]], axis=1)
    spectra: NDArray[np.complex64] = scipy.fft.rfft(frames, FRAME_HOPS * hop)
    return spectra


def _overlap_add(spectra: NDArray[np.complex64], samples: int, sample_rate: int) -> Audio:
    hop = _hop_size(sample_rate)
    frames = scipy.fft.irfft(spectra, FRAME_HOPS * hop).reshape(len(spectra), FRAME_HOPS, hop)
    sound = np.zeros((len(spectra) + FRAME_HOPS, hop), np.float32)
    for part in range(FRAME_HOPS):
        sound[part : part + len(spectra)] += frames[:, part]
    return sound.ravel()[hop : hop + samples]
