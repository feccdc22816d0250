"""The evaluation mixtures of a grid, made once for all its cells.

mixtures.npy, firsts.npy   (pairs, samples) float32: each mixture and its first segment, the target if there
mixtures.json              digests of the pairs and of all that was made of them; why some could not be mixed
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry.contracts import Corpus
from registry.errors import UserError
from uss_plugins.evaluation.pair_folder import digest
from uss_plugins.evaluation.protocol import Pair, UnusablePairError, mix_pair
from uss_plugins.files import write_text, written_aside

MIXTURES, FIRSTS, TABLE = "mixtures.npy", "firsts.npy", "mixtures.json"


def store_mixtures(
    corpus: Corpus,
    pairs: Sequence[Pair],
    segment_seconds: float,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Mix all pairs and keep them in `folder`; returns how many there are and how many cannot be mixed."""
    samples = round(segment_seconds * corpus.sample_rate)
    audio = np.zeros((2, len(pairs), samples), np.float32)
    unusable: dict[int, str] = {}
    for row, pair in enumerate(pairs):
        try:
            audio[:, row] = mix_pair(corpus, pair, segment_seconds)
        except UnusablePairError as error:
            unusable[row] = str(error)
        if progress is not None:
            progress(row + 1, len(pairs))
    for name, array in ((MIXTURES, audio[0]), (FIRSTS, audio[1])):
        with written_aside(folder / name) as aside, aside.open("wb") as file:
            np.save(file, array)
    chosen = digest(pairs)
    made = hashlib.sha256(f"{chosen} at {corpus.sample_rate} Hz".encode())
    made.update(audio.tobytes())
    table = {"pairs_sha256": chosen, "sha256": made.hexdigest(), "unusable": unusable}
    write_text(folder / TABLE, json.dumps(table, indent=1))
    return {"mixtures": len(pairs) - len(unusable), "skipped": len(unusable)}


class StoredMixtures:
    """A corpus's split as evaluation needs it, its mixtures read from `folder`.

    Args:
        corpus: the split that the pairs were chosen from.
        pairs: as they were stored.

    Attributes:
        digest: of the pairs, the rate and the audio: equal where all is.

    Raises:
        UserError: the folder holds other pairs.
    """

    def __init__(self, corpus: Corpus, pairs: Sequence[Pair], folder: Path) -> None:
        self.corpus = corpus
        self.sample_rate = corpus.sample_rate
        self.class_names, self.class_ids = corpus.class_names, corpus.class_ids
        self.labels = corpus.labels
        table = json.loads((folder / TABLE).read_text(encoding="utf-8"))
        self.digest: str = table["sha256"]
        if table["pairs_sha256"] != digest(pairs):
            raise UserError(f"{folder}: holds other pairs; remove it, and run benchmark again")
        self._rows = {pair: row for row, pair in enumerate(pairs)}
        self._unusable = {int(row): reason for row, reason in table["unusable"].items()}
        self._mixtures = np.load(folder / MIXTURES, mmap_mode="r")
        self._firsts = np.load(folder / FIRSTS, mmap_mode="r")

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.corpus)

    def clip(self, index: int) -> NDArray[np.float32]:
        """Audio of a clip of the corpus: (samples,)."""
        return self.corpus.clip(index)

    def stored_pair(
        self, pair: Pair, segment_seconds: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The mixture of a pair and its first segment, (samples,) each. Raises UnusablePairError."""
        row = self._rows[pair]
        if row in self._unusable:
            raise UnusablePairError(self._unusable[row])
        return np.array(self._mixtures[row]), np.array(self._firsts[row])
