"""Speech and snoring: a throat, told what to do."""

from __future__ import annotations

import numpy as np

from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import Audio
from uss_plugins.corpora.synthesis.vocal import Gesture, Throat, vocalise

VOWELS: tuple[tuple[float, float, float], ...] = (
    (270, 2290, 3010),
    (390, 1990, 2550),
    (530, 1840, 2480),
    (660, 1720, 2410),
    (730, 1090, 2440),
    (570, 840, 2410),
    (440, 1020, 2240),
    (300, 870, 2240),
    (640, 1190, 2390),
    (490, 1350, 1690),
    (500, 1500, 2500),
)
"""Formants of American English vowels spoken by men: Peterson and Barney, JASA 24 (1952), and schwa."""

SONORANTS: tuple[tuple[float, float, float, float], ...] = (
    (260, 1000, 2200, 0.4),
    (260, 1600, 2600, 0.4),
    (280, 2100, 2800, 0.35),
    (350, 1150, 2700, 0.6),
    (350, 1200, 1600, 0.6),
    (300, 700, 2200, 0.6),
    (270, 2200, 3000, 0.6),
)
"""Formants and loudness of m, n, ng, l, r, w, y."""

FRICATIVES: tuple[tuple[float, float, float], ...] = (
    (6000, 0.35, 1.0),
    (3200, 0.40, 0.9),
    (5200, 0.9, 0.25),
    (7000, 0.8, 0.2),
)
"""Centre in Hz, width in octaves and loudness of the noise of s, sh, f, th; and voiced of z, zh, v, dh."""

PLOSIVES: tuple[tuple[float, float, float], ...] = (
    (900, 0.8, 800),
    (4200, 0.5, 1750),
    (2000, 0.4, 2100),
)
"""Burst centre in Hz, width in octaves, second formant at the burst, of p and b, t and d, k and g."""


class _Speaker:
    """Utters syllable after syllable as a growing list of gestures."""

    def __init__(self, draws: Draws) -> None:
        self.draws = draws
        self.pitch = draws.log_trait(75, 340)
        # short tracts go with high voices, loosely: men 1, women about 1.17, children up to 1.4
        share = np.log(self.pitch / 75) / np.log(340 / 75)
        self.scale = float(np.clip(0.93 + 0.4 * share + draws.uniform(-0.08, 0.08), 0.85, 1.42))
        self.syllable_rate = draws.log_trait(2.8, 6.5)
        self.liveliness = draws.trait(0.3, 4.0)
        self.breathiness = draws.log_trait(0.02, 0.5)
        self.hissing = draws.log_trait(0.4, 2.0)
        self.throat = Throat(
            tilt_hz=draws.log_trait(1200, 16000),
            jitter=draws.log_trait(0.002, 0.02),
            shimmer=draws.log_trait(0.02, 0.15),
            bandwidths=(draws.trait(60, 110), draws.trait(70, 140), draws.trait(90, 220)),
            fixed_formants=(
                draws.trait(3200, 3700) * self.scale,
                draws.trait(4000, 4900) * self.scale,
            ),
            fixed_bandwidths=(200.0, 300.0),
        )
        self.time = draws.uniform(0.0, 0.05)
        self.declined = 0.0
        self.gestures: list[Gesture] = []
        self.rest()

    def hold(
        self,
        seconds: float,
        formants: tuple[float, float, float],
        voice: float,
        *,
        breath: float = 0.0,
        hiss: tuple[float, float, float] = (4000, 0.5, 0),
        accent: float = 0.0,
    ) -> None:
        """One phone: its target from a quarter to three quarters of its time."""
        pitch = self.pitch * 2.0 ** ((accent - self.declined) / 12)
        scaled = tuple(self.scale * formant for formant in formants)
        centre, octaves, loudness = hiss
        for share in (0.25, 0.75):
            time = self.time + share * seconds
            breathing = breath + self.breathiness * voice
            self.gestures.append(
                Gesture(time, pitch, voice, breathing, scaled, loudness, centre, octaves)
            )
        self.time += seconds

    def rest(self, breath: float = 0.0) -> None:
        self.hold(0.02, VOWELS[-1], 0.0, breath=breath)

    def consonant(self, following: tuple[float, float, float]) -> None:
        draws = self.draws
        manner = draws.rng.random()
        if manner < 0.35:
            *formants, loudness = draws.pick(SONORANTS)
            self.hold(draws.uniform(0.04, 0.09), (formants[0], formants[1], formants[2]), loudness)
        elif manner < 0.65:
            centre, octaves, loudness = draws.pick(FRICATIVES)
            voiced = draws.chance(0.35)
            hiss = (centre * draws.uniform(0.85, 1.15), octaves, loudness * self.hissing)
            seconds = draws.uniform(0.04, 0.08) if voiced else draws.uniform(0.07, 0.15)
            self.hold(seconds, (300, following[1], following[2]), 0.3 if voiced else 0, hiss=hiss)
        elif manner < 0.95:
            self.plosive(following)
        else:
            self.hold(draws.uniform(0.04, 0.08), following, 0.0, breath=1.2)

    def plosive(self, following: tuple[float, float, float]) -> None:
        draws = self.draws
        centre, octaves, locus = draws.pick(PLOSIVES)
        voiced = draws.chance(0.5)
        formants = (250.0, 0.5 * (locus + following[1]), following[2])
        self.hold(draws.uniform(0.03, 0.08), formants, 0.12 if voiced else 0.0)
        burst = draws.uniform(0.3, 1.0) * self.hissing
        self.hold(0.012, formants, 0.15 if voiced else 0.0, hiss=(centre, octaves, burst))
        if not voiced:
            self.hold(draws.uniform(0.02, 0.06), following, 0.0, breath=draws.uniform(0.6, 1.5))

    def syllable(self) -> None:
        draws = self.draws
        vowel = draws.pick(VOWELS)
        stress = draws.uniform(0.5, 1.0)
        accent = self.liveliness * draws.uniform(-1, 2) * stress
        if draws.chance(0.85):
            self.consonant(vowel)
            if draws.chance(0.15):
                self.consonant(vowel)
        seconds = draws.uniform(0.5, 1.1) * stress / self.syllable_rate
        self.hold(seconds, vowel, stress, accent=accent)
        if draws.chance(0.25):  # a diphthong glides on
            self.hold(0.6 * seconds, draws.pick(VOWELS), 0.8 * stress, accent=accent - 1)
        if draws.chance(0.4):
            self.consonant(vowel)
        self.declined += draws.uniform(0.0, 0.6)

    def phrase(self) -> None:
        draws = self.draws
        self.declined = draws.uniform(-2, 0)
        for _ in range(draws.count(3, 12)):
            self.syllable()
        self.rest()
        self.time += draws.uniform(0.08, 0.4)
        self.rest(breath=0.4 if draws.chance(0.25) else 0.0)


def speech(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A man, woman or child talking: phrases of syllables with vowels, consonants and pauses.

    Varied: pitch, vocal tract, rate, liveliness of the melody, breathiness, brightness, sharpness of s,
    regularity of the voice; which phones come is free, so the words mean nothing.
    """
    speaker = _Speaker(draws)
    while speaker.time < seconds:
        speaker.phrase()
    return vocalise(draws, speaker.gestures, speaker.throat, seconds, sample_rate)


def snoring(draws: Draws, seconds: float, sample_rate: int) -> Audio:
    """A sleeper: each breath a rattling inhalation, mostly followed by a soft or whistling exhalation.

    Varied: flutter rate and regularity, throat, breathing rate, share of noise, exhalation.
    """
    flutter = draws.log_trait(22, 75)
    formants = (draws.log_trait(200, 480), draws.log_trait(750, 1500), draws.log_trait(1900, 3000))
    inhaling = draws.log_trait(0.7, 1.7)
    pausing = draws.trait(0.1, 0.5)
    rattle = draws.log_trait(1.5, 6.0)
    exhaling = draws.trait(0.8, 2.2)
    exhale_hz = draws.log_trait(500, 2500)
    throat = Throat(
        tilt_hz=draws.log_trait(400, 2500),
        jitter=draws.log_trait(0.03, 0.15),
        shimmer=draws.log_trait(0.15, 0.5),
        bandwidths=(draws.trait(70, 200), draws.trait(100, 300), draws.trait(150, 400)),
    )
    time = draws.uniform(0.0, 0.1)
    gestures = [Gesture(time, flutter, 0, 0, formants)]

    def breathe(length: float, voice: float, breath: float, hiss: float) -> None:
        nonlocal time
        bend = draws.uniform(0.8, 1.3)
        for share, loudness in ((0.05, 0.0), (0.35, 0.7), (0.75, 1.0), (0.97, 0.0)):
            tract = tuple(formant * (1 + (bend - 1) * share) for formant in formants)
            gesture = Gesture(
                time + share * length,
                flutter * (1 + (bend - 1) * share),
                voice * loudness,
                breath * loudness,
                tract,
                hiss * loudness,
                exhale_hz,
                0.6,
            )
            gestures.append(gesture)
        time += length

    while time < seconds:
        breathe(inhaling * draws.uniform(0.85, 1.15), rattle, draws.uniform(0.5, 1.5), 0.0)
        time += 0.3 * pausing
        if draws.chance(0.8):
            breathe(inhaling * draws.uniform(0.5, 0.9), 0.0, 0.5 * exhaling, 0.3 * exhaling)
        time += pausing
    return vocalise(draws, gestures, throat, seconds, sample_rate)
