"""Class-balanced sampling of clips, as a pure function of the position in the stream.

A shuffled queue of all classes is emptied and refilled; each class walks its own shuffled list of
clips (arXiv 2305.07447). The paper's sampler is a running state; here draw number p follows from
the seed and p alone, so that resuming needs no state and any number of workers or devices can share
one stream by taking the positions apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLASS_QUEUE, CLIP_LIST = 0, 1  # First element of a permutation's spawn key: what is shuffled.


class ClassBalancedSampler:
    """An endless stream of (clip, class) in which all classes are equally frequent.

    class_indices: the classes that are drawn, ascending.
    empty_classes: the classes left out because no clip carries them, ascending.
    """

    def __init__(self, labels: NDArray[np.bool_], seed: int) -> None:
        """`labels`: (clips, classes) bool; `seed`: not negative.

        Raises:
            ValueError: no clip carries any class.
        """
        has_clips = labels.any(axis=0)
        self.class_indices: tuple[int, ...] = tuple(np.flatnonzero(has_clips).tolist())
        self.empty_classes: tuple[int, ...] = tuple(np.flatnonzero(~has_clips).tolist())
        if not self.class_indices:
            raise ValueError("class-balanced sampling needs at least one labelled clip")
        self.seed = seed
        self._clips = {index: np.flatnonzero(labels[:, index]) for index in self.class_indices}
        # The latest permutation of each list: reading in order shuffles each pass once.
        self._permutations: dict[tuple[int, ...], tuple[int, NDArray[np.int64]]] = {}

    def draw(self, position: int) -> tuple[int, int]:
        """The draw at `position` (0, 1, ...) of the stream: (clip index, class index)."""
        epoch, place = divmod(position, len(self.class_indices))
        order = self._permutation((CLASS_QUEUE,), epoch, len(self.class_indices))
        class_index = self.class_indices[order[place]]
        # The class comes once in each epoch, so the epoch is also the number of its visit.
        clips = self._clips[class_index]
        walk, step = divmod(epoch, len(clips))
        order = self._permutation((CLIP_LIST, class_index), walk, len(clips))
        return int(clips[order[step]]), class_index

    def _permutation(self, shuffled: tuple[int, ...], number: int, size: int) -> NDArray[np.int64]:
        """Permutation `number` of the list that `shuffled` names: (size,)."""
        kept = self._permutations.get(shuffled)
        if kept is None or kept[0] != number:
            entropy = np.random.SeedSequence(self.seed, spawn_key=(*shuffled, number))
            kept = (number, np.random.default_rng(entropy).permutation(size))
            self._permutations[shuffled] = kept
        return kept[1]
