"""A corpus that is made as it is read: weakly labelled clips of 24 AudioSet classes, from nothing.

It needs no disk and no download. A clip depends on the seed, the split and its index alone, so any
worker makes any clip in any order and gets the same samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from registry.contracts import Event
from registry.errors import UserError
from uss_plugins.corpora.synthesis.catalogue import GENERATORS
from uss_plugins.corpora.synthesis.draws import SPLITS, Draws, Split
from uss_plugins.corpora.synthesis.signals import (
    Audio,
    lay,
    peak,
    sample_count,
    shaped_noise,
    tilt,
    unit_rms,
)
from uss_plugins.labels.audioset import find_class
from uss_plugins.labels.lookup import find_in

LOUDEST = 0.99
_PLAN, _CLIP, _SOURCE = range(3)  # the streams that a seed feeds; each is keyed by split and index


@dataclass(frozen=True)
class PlannedEvent:
    """An event before it sounds: when, and at which level in dB relative to full scale (RMS)."""

    event: Event
    level_db: float


class SyntheticCorpus:
    """Clips of one to `max_classes_per_clip` classes at random times over a background.

    Each class of a clip sounds once, or twice at times that do not overlap. The true times are kept
    apart from the labels, in `events`. Classes are about equally frequent.

    The splits differ in their seeds and in the ranges of what varies within a class (pitch, tempo,
    timbre, ...; see `synthesis.draws.Draws`): with each range mapped to [0, 1], train leaves out
    (0.30, 0.40) and (0.60, 0.70), valid leaves out (0.60, 0.70), test draws from [-0.05, 1.05].

    Sample rates share one plan: the same clips hold the same events with the same parameters, only
    band-limited differently (and tones above the Nyquist frequency lowered by octaves).

    Args:
        split: "train", "valid" or "test".
        clips: number of clips. The first n of more clips are the same clips.
        sample_rate: Hz, at least 8000.
        clip_seconds: length of a clip.
        seed: another seed, another corpus.
        classes: AudioSet names, ids or indices, a subset of the 24; all by default. What a class
            sounds like does not depend on which others there are.
        max_classes_per_clip: most classes in a clip.
        level_db: range of an event's RMS level, relative to full scale.
        background_db: range of the background's RMS level, relative to the clip's loudest event.
            None for no background.

    Attributes:
        sample_rate, class_names, class_ids, labels: see `registry.contracts.Corpus`.

    Raises:
        UserError: an argument out of range, or a class that the corpus does not have.
    """

    def __init__(
        self,
        split: Split,
        clips: int = 2000,
        sample_rate: int = 16000,
        clip_seconds: float = 10.0,
        seed: int = 0,
        classes: Sequence[str] | None = None,
        max_classes_per_clip: int = 3,
        level_db: tuple[float, float] = (-30.0, -12.0),
        background_db: tuple[float, float] | None = (-40.0, -25.0),
    ) -> None:
        if split not in SPLITS:
            raise UserError(
                f"split {split!r} of the synthetic corpus: must be train, valid or test"
            )
        for name, value, least in (
            ("clips", clips, 1),
            ("sample_rate", sample_rate, 8000),
            ("clip_seconds", clip_seconds, 0.1),
            ("seed", seed, 0),
            ("max_classes_per_clip", max_classes_per_clip, 1),
        ):
            if value < least:
                raise UserError(
                    f"{name} = {value} of the synthetic corpus: must be at least {least}"
                )
        self.sample_rate = sample_rate
        self.clip_seconds = clip_seconds
        self.level_db = level_db
        self.background_db = background_db
        self.class_names = _chosen(classes)
        known = [find_class(name) for name in self.class_names]
        self.class_ids = tuple(one.machine_id for one in known)
        # sounds are seeded by AudioSet's index, so that a subset of classes sounds the same
        self._class_keys = [one.index for one in known]
        self._seed = seed
        self._split: Split = split
        most = min(max_classes_per_clip, len(self.class_names))
        self._clip_classes = list(islice(self._balanced_classes(most), clips))
        self.labels: NDArray[np.bool_] = np.zeros((clips, len(self.class_names)), np.bool_)
        for row, chosen in zip(self.labels, self._clip_classes, strict=True):
            row[chosen] = True

    def __len__(self) -> int:
        return len(self._clip_classes)

    def _seeds(self, *key: int) -> np.random.SeedSequence:
        return np.random.SeedSequence((self._seed, SPLITS.index(self._split), *key))

    def _balanced_classes(self, most: int) -> Iterator[list[int]]:
        """Classes of clip after clip, dealt from one shuffled deck of all classes after another."""
        rng = np.random.default_rng(self._seeds(_PLAN))
        deck: list[int] = []
        while True:
            hand: list[int] = []
            for _ in range(int(rng.integers(1, most + 1))):
                if all(one in hand for one in deck):
                    deck += rng.permutation(len(self.class_names)).tolist()
                dealt = next(one for one in deck if one not in hand)
                deck.remove(dealt)
                hand.append(dealt)
            yield hand

    def plan(self, index: int) -> tuple[PlannedEvent, ...]:
        """The events of a clip with their levels, by class and time. Makes no sound, so it is quick."""
        rng = np.random.default_rng(self._seeds(_CLIP, index))
        planned = []
        for class_index in self._clip_classes[index]:
            soundings = 2 if rng.random() < 0.3 else 1
            room = self.clip_seconds / soundings
            for part in range(soundings):
                seconds = float(rng.uniform(min(1.0, 0.5 * room), min(6.0, 0.95 * room)))
                start = part * room + float(rng.uniform(0, room - seconds))
                event = Event(class_index, start, start + seconds)
                planned.append(PlannedEvent(event, float(rng.uniform(*self.level_db))))
        return tuple(planned)

    def events(self, index: int) -> tuple[Event, ...]:
        """The true times of the classes in a clip, by class and time."""
        return tuple(one.event for one in self.plan(index))

    def tracks(self, index: int) -> NDArray[np.float32]:
        """(events + 1, samples): each event of `events` alone, then the background; they add up to `clip`."""
        planned = self.plan(index)
        samples = sample_count(self.clip_seconds, self.sample_rate)
        tracks = np.zeros((len(planned) + 1, samples), np.float32)
        loudest_db = -np.inf
        for number, one in enumerate(planned):
            event = one.event
            seeds = self._seeds(_CLIP, index, 1 + number)
            seconds = event.end_seconds - event.start_seconds
            sound = self._sound(event.class_index, seeds, seconds, one.level_db)
            lay(tracks[number], event.start_seconds, sound, self.sample_rate)
            loudest_db = max(loudest_db, _level_db(sound))
        if self.background_db is not None:
            draws = Draws(self._seeds(_CLIP, index, 0), self._split)
            level_db = loudest_db + draws.uniform(*self.background_db)
            tracks[-1] = _at_level(self._background(draws), level_db)
        loudest = float(np.abs(tracks.sum(axis=0)).max())
        if loudest > LOUDEST:
            tracks *= np.float32(LOUDEST / loudest)
        return tracks

    def clip(self, index: int) -> Audio:
        """(samples,) in [-1, 1]: all events of a clip over its background."""
        mixture: Audio = self.tracks(index).sum(axis=0)
        return mixture

    def source(self, class_index: int, index: int, seconds: float) -> Audio:
        """(samples,) in [-1, 1]: one class alone, sounding from its start, with this split's variation.

        `index` numbers the sounds of a class; each number is another sound. Its level is drawn
        from `level_db`, lowered where its peaks would not fit.
        """
        seeds = self._seeds(_SOURCE, self._class_keys[class_index], index)
        level_db = float(np.random.default_rng(seeds).uniform(*self.level_db))
        return self._sound(class_index, seeds, seconds, level_db)

    def _sound(
        self, class_index: int, seeds: np.random.SeedSequence, seconds: float, level_db: float
    ) -> Audio:
        generator = GENERATORS[self.class_names[class_index]]
        return _at_level(generator(Draws(seeds, self._split), seconds, self.sample_rate), level_db)

    def _background(self, draws: Draws) -> Audio:
        """Coloured noise, falling by 1 to 9 dB per octave, with a bump; at times with a mains hum."""
        slope, bump = draws.trait(-9, -1), draws.log_trait(150, 4000)
        height, octaves = draws.trait(0.0, 2.0), draws.trait(0.3, 1.0)
        noise = shaped_noise(
            draws,
            lambda hertz: tilt(hertz, slope) * (1 + height * peak(hertz, bump, octaves)),
            self.clip_seconds,
            self.sample_rate,
        )
        if not draws.chance(0.25):
            return noise
        mains = draws.pick((50.0, 60.0)) * np.arange(1, 7)
        strengths = draws.spread(0.1, 1.0, len(mains))
        axis = np.arange(len(noise)) / self.sample_rate
        hum = np.sin(2 * np.pi * np.outer(axis, mains)) @ strengths
        noise = unit_rms(noise)
        noise += np.float32(0.5) * unit_rms(hum.astype(np.float32))
        return noise


def _chosen(classes: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the chosen classes in AudioSet's order."""
    known = tuple(GENERATORS)
    if classes is None:
        return known
    ids = [find_class(name).machine_id for name in known]
    chosen = {find_in(known, ids, text) for text in classes}
    if not chosen:
        raise UserError("classes of the synthetic corpus: must name at least one, or be left out")
    return tuple(name for index, name in enumerate(known) if index in chosen)


def _level_db(sound: Audio) -> float:
    """RMS level in dB relative to full scale."""
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-20))


def _at_level(sound: Audio, level_db: float) -> Audio:
    """The sound at an RMS level in dB relative to full scale, or lower where its peaks would not fit."""
    levelled: Audio = unit_rms(sound) * np.float32(10.0 ** (level_db / 20))
    loudest = float(np.abs(levelled).max())
    if loudest > LOUDEST:
        levelled *= np.float32(LOUDEST / loudest)
    return levelled
