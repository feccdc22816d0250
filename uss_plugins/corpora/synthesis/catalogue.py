"""Which AudioSet classes the synthetic corpus can make, and with which generator."""

from __future__ import annotations

from collections.abc import Callable

from uss_plugins.corpora.synthesis import (
    alarms,
    animals,
    human,
    instruments,
    machines,
    percussion,
    tones,
    weather,
)
from uss_plugins.corpora.synthesis.draws import Draws
from uss_plugins.corpora.synthesis.signals import Audio

Generator = Callable[[Draws, float, int], Audio]
"""(draws, seconds, sample_rate) -> (samples,)"""

GENERATORS: dict[str, Generator] = {
    "Speech": human.speech,
    "Snoring": human.snoring,
    "Bark": animals.bark,
    "Meow": animals.meow,
    "Chirp, tweet": animals.chirp,
    "Cricket": animals.cricket,
    "Guitar": instruments.guitar,
    "Piano": instruments.piano,
    "Snare drum": percussion.snare_drum,
    "Violin, fiddle": instruments.violin,
    "Flute": instruments.flute,
    "Church bell": percussion.church_bell,
    "Wind": weather.wind,
    "Thunder": weather.thunder,
    "Rain": weather.rain,
    "Train horn": machines.train_horn,
    "Engine": machines.engine,
    "Vacuum cleaner": machines.vacuum_cleaner,
    "Telephone bell ringing": alarms.telephone_bell,
    "Siren": alarms.siren,
    "Smoke detector, smoke alarm": alarms.smoke_alarm,
    "Tick-tock": machines.tick_tock,
    "Sine wave": tones.sine_wave,
    "White noise": tones.white_noise,
}
"""AudioSet name -> generator, in the order of AudioSet's indices."""
