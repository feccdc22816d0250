"""A corpus whose clips are kept on disk once they were rendered or decoded.

Rendering is done by several processes; a folder that is half done is continued where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.contracts import ClipUnreadableError, Corpus
from uss_plugins.files import remove_leftovers, written_aside

FULL_SCALE = 32767
CLIPS_PER_FILE = 64


class CachedCorpus:
    """`corpus` with its clips in files of 16-bit samples under `folder`; keeps the Corpus contract.

    key: whatever decides the clips' content; another key is another set of files.
    """

    def __init__(self, corpus: Corpus, folder: Path, key: Any) -> None:
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        self.corpus = corpus
        self.folder = folder / digest[:16]
        self.sample_rate = corpus.sample_rate
        self.class_names = corpus.class_names
        self.class_ids = corpus.class_ids
        self.labels = corpus.labels
        self._open: dict[int, tuple[NDArray[np.int16], NDArray[np.int64]]] = {}

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.corpus)

    def clip(self, index: int) -> NDArray[np.float32]:
        """Audio of a clip: (samples,). Raises ClipUnreadableError where the corpus could not read it."""
        part, place = divmod(index, CLIPS_PER_FILE)
        samples, ends = self._part(part)
        start = int(ends[place - 1]) if place else 0
        clip = samples[start : int(ends[place])]
        if not len(clip):
            return self.corpus.clip(index)  # Unreadable when rendered: let the corpus say why.
        audio: NDArray[np.float32] = clip.astype(np.float32) / np.float32(FULL_SCALE)
        return audio

    def render(self, jobs: int = 1, progress: Callable[[int, int], None] | None = None) -> None:
        """Make the files that are missing, with `jobs` processes; `progress(done, total)` counts files."""
        remove_leftovers(self.folder)
        total = -(-len(self) // CLIPS_PER_FILE)
        missing = [part for part in range(total) if not self._is_whole(part)]
        report = progress or (lambda done, total: None)
        with each_of(self._render_part, missing, jobs) as rendered:
            for done, _ in enumerate(rendered, start=total - len(missing) + 1):
                report(done, total)

    def _render_part(self, part: int) -> None:
        clips = []
        first = part * CLIPS_PER_FILE
        for index in range(first, min(first + CLIPS_PER_FILE, len(self))):
            try:
                audio = np.clip(self.corpus.clip(index), -1, 1)
            except ClipUnreadableError:
                audio = np.zeros(0, np.float32)
            clips.append(np.round(audio * FULL_SCALE).astype(np.int16))
        samples, ends = self._paths(part)
        with written_aside(samples) as aside, aside.open("wb") as file:
            np.save(file, np.concatenate(clips))
        with written_aside(ends) as aside, aside.open("wb") as file:
            np.save(file, np.cumsum([len(clip) for clip in clips]))

    def _part(self, part: int) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        if part not in self._open:
            samples, ends = self._paths(part)
            if not self._is_whole(part):
                self._render_part(part)
            self._open[part] = (np.load(samples, mmap_mode="r"), np.load(ends))
        return self._open[part]

    def _is_whole(self, part: int) -> bool:
        return all(path.exists() for path in self._paths(part))

    def _paths(self, part: int) -> tuple[Path, Path]:
        return self.folder / f"{part:05d}.samples.npy", self.folder / f"{part:05d}.ends.npy"

    def __getstate__(self) -> dict[str, Any]:
        # Open memory maps do not travel to another process; it opens its own.
        return {**self.__dict__, "_open": {}}


@contextmanager
def each_of(
    function: Callable[[int], None], numbers: list[int], jobs: int
) -> Iterator[Iterator[None]]:
    """`function` of each number, in `jobs` processes where that helps."""
    if jobs <= 1 or len(numbers) <= 1:
        yield map(function, numbers)
        return
    # Forkserver, not fork: torch's threads do not survive a fork.
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    with context.Pool(min(jobs, len(numbers))) as pool:
        yield pool.imap_unordered(function, numbers)
