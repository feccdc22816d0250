"""Evaluation mixtures as files, in the layout of the paper's released code.

2s_segments_test/class_id=K/class_id=K,index=NNN,mixture.wav    two segments at 0 dB
2s_segments_test/class_id=K/class_id=K,index=NNN,source.wav     the one of class K alone
2s_segments_test.csv                                            what each pair is made of
2s_segments_test.json                                           what made them

Only the audio files are needed to read a folder, so folders that the released code made do as well. The
layout has no mixtures without the target.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from registry.contracts import ClipUnreadableError, Corpus
from registry.errors import UserError
from uss_plugins.corpora.anchors import cut_segment
from uss_plugins.corpora.clip_audio import read_clip, read_mono
from uss_plugins.evaluation.protocol import Pair, UnusablePairError, mix_pair
from uss_plugins.evaluation.segments import UNKNOWN_CLASS, Segment
from uss_plugins.files import write_text, written_aside
from uss_plugins.versions import versions

TARGET_COLUMNS = ("class_id", "index", "clip", "start_samples")
OTHER_COLUMNS = ("other_class_id", "other_clip", "other_start_samples")
MIXTURE_NAME = re.compile(r"class_id=(\d+),index=(\d+),mixture\.wav")
RELEASED_NAMES = {"train": "balanced_train"}
"""Split -> its name in the released layout, where that is another."""


def folder_name(split: str, segment_seconds: float) -> str:
    """Name of the folder of a split's pairs."""
    return f"{segment_seconds:g}s_segments_{RELEASED_NAMES.get(split, split)}"


def write_pairs(
    corpus: Corpus,
    pairs: Sequence[Pair],
    segment_seconds: float,
    folder: Path,
    *,
    settings: dict[str, object],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[int, tuple[str, ...]]:
    """Write all pairs that hold their target, 32-bit float WAV at the corpus's rate; those there are kept.

    settings: what the pairs follow from, for the JSON beside the folder.
    progress: called with the pairs done and the pairs in all.

    Returns the number of pairs, and why others could not be mixed.

    Raises:
        UserError: the folder holds other pairs.
    """
    present = [pair for pair in pairs if pair.has_target]
    claim(folder, {**settings, "pairs_sha256": digest(present)})
    rows, skipped = [], []
    for done, (number, pair) in enumerate(numbered(present), start=1):
        mixture, source = paths_of(folder, pair.query_class, number)
        try:
            if not source.exists():
                audio = mix_pair(corpus, pair, segment_seconds)
                for path, samples in zip((mixture, source), audio, strict=True):
                    write_wav(path, samples, corpus.sample_rate)
            rows.append((pair.query_class, number, *place(pair.first), *row_of(pair.second)))
        except UnusablePairError as error:
            skipped.append(str(error))
        if progress is not None:
            progress(done, len(present))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([(*TARGET_COLUMNS, *OTHER_COLUMNS), *rows])
    write_text(beside(folder, ".csv"), text.getvalue())
    return len(rows), tuple(skipped)


class PairFolder:
    """A folder of pairs in place of a corpus: what `evaluate` takes to read mixtures from files.

    Args:
        folder: such as 2s_segments_test.
        class_names, class_ids: of the model that is evaluated; class_id=K is number K of them.
        sample_rate: Hz, of the audio that is given; files of other rates are resampled.

    Attributes:
        found: class and number of each mixture, in order.
        labels: (mixtures, classes) bool, the class asked for in each.

    Raises:
        UserError: the folder holds no pairs, or pairs of more classes.
    """

    def __init__(
        self, folder: Path, class_names: Sequence[str], class_ids: Sequence[str], sample_rate: int
    ) -> None:
        self.folder = folder
        self.class_names, self.class_ids = tuple(class_names), tuple(class_ids)
        self.sample_rate = sample_rate
        self._others = others_of(beside(folder, ".csv"))
        self.found = sorted(
            (int(match[1]), int(match[2]))
            for path in folder.glob("class_id=*/*.wav")
            if (match := MIXTURE_NAME.fullmatch(path.name))
        )
        if not self.found:
            raise UserError(
                f"{folder}: holds no class_id=K/class_id=K,index=NNN,mixture.wav; make them with make-pairs"
            )
        if self.found[-1][0] >= len(class_names):
            raise UserError(
                f"{folder}: holds pairs of class {self.found[-1][0]}, the model has {len(class_names)}"
                " classes; evaluate with pairs of its own classes"
            )
        wanted = np.array([class_index for class_index, _ in self.found])
        self.labels: NDArray[np.bool_] = wanted[:, None] == np.arange(len(class_names))

    def __len__(self) -> int:
        """Number of mixtures."""
        return len(self.found)

    def clip(self, index: int) -> NDArray[np.float32]:
        """A mixture: (samples,). Raises ClipUnreadableError."""
        return read_clip(paths_of(self.folder, *self.found[index])[0], self.sample_rate)

    def pairs(self, pairs_per_class: int) -> tuple[Pair, ...]:
        """At most so many pairs of each class, by class and number."""
        chosen = []
        for class_index, number in self.found:
            if number < pairs_per_class:
                other = self._others.get((class_index, number), UNKNOWN_CLASS)
                chosen.append(
                    Pair(class_index, Segment(class_index, number), Segment(other, number))
                )
        return tuple(chosen)

    def stored_pair(
        self, pair: Pair, segment_seconds: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The mixture of a pair and its target, (samples,) each. Raises UnusablePairError."""
        samples = round(segment_seconds * self.sample_rate)
        paths = paths_of(self.folder, pair.query_class, pair.first.number)
        try:
            mixture, source = (read_mono(path, self.sample_rate) for path in paths)
        except ClipUnreadableError as error:
            raise UnusablePairError(str(error)) from error
        return cut_segment(mixture, 0, samples), cut_segment(source, 0, samples)


def claim(folder: Path, settings: dict[str, object]) -> None:
    """Note beside the folder what its pairs follow from, or compare it with what is noted."""
    noted = beside(folder, ".json")
    if noted.exists():
        old = json.loads(noted.read_text(encoding="utf-8"))
        if old.get("pairs_sha256") != settings["pairs_sha256"]:
            raise UserError(
                f"{folder}: holds other pairs ({noted}); remove it, or choose another --output"
            )
        return
    write_text(noted, json.dumps({**settings, "versions": versions()}, indent=1, default=str))


def digest(pairs: Sequence[Pair]) -> str:
    """What tells a set of pairs from any other."""
    return hashlib.sha256(repr(tuple(pairs)).encode()).hexdigest()


def numbered(pairs: Sequence[Pair]) -> Iterator[tuple[int, Pair]]:
    """The pairs, counted within each class."""
    counts: dict[int, int] = {}
    for pair in pairs:
        number = counts.get(pair.query_class, 0)
        counts[pair.query_class] = number + 1
        yield number, pair


def paths_of(folder: Path, class_index: int, number: int) -> tuple[Path, Path]:
    """The files of a pair: mixture and source."""
    stem = folder / f"class_id={class_index}" / f"class_id={class_index},index={number:03d}"
    return Path(f"{stem},mixture.wav"), Path(f"{stem},source.wav")


def beside(folder: Path, suffix: str) -> Path:
    """The file of the folder's name beside it."""
    return folder.with_name(folder.name + suffix)


def write_wav(path: Path, audio: NDArray[np.float32], sample_rate: int) -> None:
    """Write (samples,) as it is: a mixture at 0 dB may go over full scale."""
    with written_aside(path) as aside:
        soundfile.write(aside, audio, sample_rate, subtype="FLOAT", format="WAV")


def place(segment: Segment) -> tuple[int, int | str]:
    """Clip and first sample of a segment, as the CSV has them; an isolated source has no first sample."""
    return segment.number, "" if segment.start_samples is None else segment.start_samples


def row_of(segment: Segment) -> tuple[int, int, int | str]:
    """Class and place of a segment."""
    return segment.class_index, *place(segment)


def others_of(path: Path) -> dict[tuple[int, int], int]:
    """(class, number) -> class of the interferer, where a CSV of this project says it."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {
                (int(row["class_id"]), int(row["index"])): int(row["other_class_id"])
                for row in csv.DictReader(file)
            }
    except (OSError, KeyError, ValueError, TypeError):
        return {}  # the released code's own CSV, or none
