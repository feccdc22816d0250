"""A corpus of two tones, its anchors, and a tiny model for them: what a training step needs and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from training.tiny_recipe import tiny_tree

from registry.contracts import ClipUnreadableError
from uss_plugins.compose import build_model
from uss_plugins.corpora.anchors import AnchorTable
from uss_plugins.recipe import Recipe, parse_recipe
from uss_plugins.separation.model import UniversalSeparator

RATE = 8000
SEGMENT_SAMPLES = 2048
FREQUENCIES = (500.0, 2000.0)


class TwoTones:
    """Clip n is a tone of class n % 2, about half a second long, at a random phase and level."""

    sample_rate = RATE
    class_names: tuple[str, ...] = ("low", "high")
    class_ids: tuple[str, ...] = ("/m/low", "/m/high")

    def __init__(self, clips: int = 12, unreadable: Sequence[int] = ()) -> None:
        self.labels: NDArray[np.bool_] = np.eye(2, dtype=bool)[np.arange(clips) % 2]
        self.unreadable = frozenset(unreadable)

    def __len__(self) -> int:
        return len(self.labels)

    def clip(self, index: int) -> NDArray[np.float32]:
        if index in self.unreadable:
            raise ClipUnreadableError(f"tone{index}.wav: damaged")
        generator = np.random.default_rng(index)
        phase, level = generator.uniform(0, 2 * np.pi), generator.uniform(0.1, 0.5)
        time = np.arange(4000 + 100 * (index % 3)) / RATE
        audio = level * np.sin(2 * np.pi * FREQUENCIES[index % 2] * time + phase)
        return audio.astype(np.float32)


def anchors_of(corpus: TwoTones) -> AnchorTable:
    """An anchor in every clip, at a place of its own, tagged with its class for sure."""
    clips = np.arange(len(corpus))
    return AnchorTable(
        clip=clips,
        class_index=clips % 2,
        start_samples=100 * clips,
        probabilities=corpus.labels.astype(np.float16),
        sample_rate=RATE,
        segment_samples=SEGMENT_SAMPLES,
    )


def tones_recipe(embedding: dict[str, Any] | None = None, **training: Any) -> Recipe:
    """The tiny recipe at a high learning rate, with another embedding strategy and training."""
    base = {
        "steps": 2,
        "validate_every": 2,
        "schedule": {"name": "none"},
        "gradient_clip": None,
        "ema_decay": None,
        "optimiser": {"learning_rate": 1e-2},
    }
    tree = tiny_tree(training={**base, **training})
    tree["query_net"]["sample_rate"] = RATE
    tree["tagger"] |= {"steps": 2, "validate_every": 2}
    return parse_recipe({**tree, "embedding": embedding or tree["embedding"]}, "two tones")


def tones_model(recipe: Recipe) -> UniversalSeparator:
    """A fresh model for the two tones; the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_model(recipe, TwoTones.class_names, TwoTones.class_ids)
