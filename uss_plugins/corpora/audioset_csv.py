"""AudioSet as its own segment CSVs and a folder of audio files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry.errors import UserError
from uss_plugins.corpora.audioset_segments import name_some, read_segments
from uss_plugins.corpora.clip_audio import read_clip
from uss_plugins.corpora.splits import find_split
from uss_plugins.labels.audioset import classes

logger = logging.getLogger(__name__)


class AudioSetCsvCorpus:
    """Clips of AudioSet's segment CSVs, from files `Y<YTID>.wav`; keeps the Corpus contract.

    Attributes:
        missing: names of the files that are listed and not there; their clips are left out.
    """

    def __init__(
        self,
        split: str,
        segments: Mapping[str, str],
        audio_dirs: Mapping[str, str],
        *,
        sample_rate: int = 32000,
        hold_out: int = 0,
    ) -> None:
        """Read the list of a split and look which of its files are there; none is opened yet.

        split: "train", "valid" or "test".
        segments: split -> segment CSV. audio_dirs: split -> folder of its audio files.
        sample_rate: Hz, of the audio that `clip` gives; files of other rates are resampled.
        hold_out: so many of the last clips of train are valid, if valid has no CSV of its own.

        Raises:
            UserError: a CSV or folder cannot be read, none of its files is there, or hold_out leaves
                nothing; or all lines that cannot be used, unknown classes among them, in one report.
        """
        key, part = find_split(split, segments, hold_out)
        if key not in audio_dirs:
            raise UserError(
                f"audio_dirs has no {key!r}: give the folder of {segments[key]}'s audio"
            )
        listed = read_segments(Path(segments[key]))
        folder = Path(audio_dirs[key])
        present = listed.present(folder)
        self.missing = tuple(np.array(listed.file_names)[~present].tolist())
        if self.missing:
            logger.warning(
                "%d of %d files of %s are not in %s: %s",
                len(self.missing),
                len(present),
                listed.path,
                folder,
                name_some(self.missing),
            )
        rows = np.flatnonzero(present)[part]
        if not len(rows):
            raise UserError(f"hold_out={hold_out} leaves {split} no clip; hold out fewer")
        self.sample_rate = sample_rate
        self.class_names = tuple(one.name for one in classes())
        self.class_ids = tuple(one.machine_id for one in classes())
        self.labels: NDArray[np.bool_] = listed.labels[rows]
        self.paths = tuple(folder / listed.file_names[row] for row in rows)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.paths)

    def clip(self, index: int) -> NDArray[np.float32]:
        """Audio of a clip: (samples,), in [-1, 1].

        Raises:
            ClipUnreadableError: the file cannot be read.
        """
        return read_clip(self.paths[index], self.sample_rate)
