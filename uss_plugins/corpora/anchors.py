"""Anchor segments: the places of weakly labelled clips where a class most likely sounds.

A clip's label says that a class is somewhere in it. The anchor of a (clip, class) pair is the
segment that training uses as the class's source: the one with the largest area under the detector's
frame probabilities (sound event detection in arXiv 2305.07447), or a random one.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from registry.contracts import Corpus
from registry.errors import UserError
from uss_plugins.files import written_aside

BROKEN_FILE = (OSError, EOFError, zipfile.BadZipFile, TypeError, AttributeError)
"""What NumPy raises for a file that is no NPZ; the last two for a single array."""


def largest_area_start(
    frame_probabilities: Tensor,
    *,
    frames_per_second: float,
    segment_seconds: float,
    clip_samples: int | Tensor,
    sample_rate: int,
) -> Tensor:
    """First sample of the segment with the largest area under the probabilities of one class.

    The probabilities, continued by their first and last values, are averaged over a box of segment
    length + 1 frames; the segment is centred on the largest average, then moved to lie within the
    clip.

    frame_probabilities: (batch, frames), of the class sought in each clip.
    clip_samples: length of the clips, one for all or (batch,); frames after a clip's end are
        ignored.

    Returns (batch,) long; 0 where the clip is shorter than the segment.
    """
    probabilities = frame_probabilities.float()
    batch, frames = probabilities.shape
    device = probabilities.device
    lengths = torch.as_tensor(clip_samples, device=device).expand(batch)
    last_frame = (lengths.double() * frames_per_second / sample_rate).floor().long()
    last_frame = last_frame.clamp(max=frames - 1).unsqueeze(1)

    half_box = round(segment_seconds * frames_per_second) // 2
    reach = torch.arange(-half_box, frames + half_box, device=device).expand(batch, -1)
    padded = probabilities.gather(1, reach.clamp(min=0).minimum(last_frame))
    # (batch, frames + 2 half_box) -> (batch, frames)
    area = F.avg_pool1d(padded.unsqueeze(1), 2 * half_box + 1, stride=1).squeeze(1)
    after_end = torch.arange(frames, device=device) > last_frame
    centre = area.masked_fill(after_end, -1.0).argmax(dim=1)

    segment_samples = round(segment_seconds * sample_rate)
    centre_samples = (centre.double() * sample_rate / frames_per_second).round().long()
    latest = (lengths - segment_samples).clamp(min=0)
    return (centre_samples - segment_samples // 2).clamp(min=0).minimum(latest)


def random_start(clip_samples: Tensor, segment_samples: int, generator: torch.Generator) -> Tensor:
    """First sample of a segment anywhere in each clip, uniform over all that fit: (batch,) long.

    `clip_samples`: (batch,) long; clips shorter than the segment give 0.
    """
    places = (clip_samples.cpu() - segment_samples).clamp(min=0) + 1
    uniform = torch.rand(len(places), generator=generator, dtype=torch.float64)
    return (uniform * places).long().to(clip_samples.device)


def cut_segment(audio: NDArray[np.float32], start: int, samples: int) -> NDArray[np.float32]:
    """`samples` samples of a clip (clip_samples,) from `start`, zeros after its end: (samples,)."""
    segment = audio[start : start + samples]
    return np.pad(segment, (0, samples - len(segment)))


def read_segment(corpus: Corpus, clip: int, start: int, samples: int) -> NDArray[np.float32]:
    """`samples` samples of clip number `clip` from `start`, zeros after its end: (samples,).

    Raises:
        ClipUnreadableError: the clip cannot be read.
    """
    return cut_segment(corpus.clip(clip), start, samples)


@dataclass(frozen=True, kw_only=True)
class AnchorTable:
    """The anchors of a corpus, one row for each readable clip and label.

    clip, class_index: (anchors,) int64, in the corpus's numbering.
    start_samples: (anchors,) int64, first sample of the segment in the clip.
    probabilities: (anchors, classes) float16, the tagger's probability of each of the corpus's
        classes in the anchor segment itself; (anchors, 0) when the query net does not tag.
    sample_rate: Hz, the corpus's; `segment_samples` counts at this rate.
    unreadable_clips: clips that were skipped because they could not be read.
    """

    clip: NDArray[np.int64]
    class_index: NDArray[np.int64]
    start_samples: NDArray[np.int64]
    probabilities: NDArray[np.float16]
    sample_rate: int
    segment_samples: int
    unreadable_clips: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        columns = (self.clip, self.class_index, self.start_samples)
        if any(column.shape != (len(self),) for column in columns) or (
            self.probabilities.shape[:1] != (len(self),) or self.probabilities.ndim != 2
        ):
            raise ValueError("the columns of the anchor table differ in length")

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def segment_seconds(self) -> float:
        """Length of every anchor segment."""
        return self.segment_samples / self.sample_rate

    def exclusive(self, threshold: float) -> AnchorTable:
        """The anchors in which the tagger hears no class but their own with more than `threshold`.

        A class that would lose all its anchors keeps them.
        """
        if not self.probabilities.shape[1]:
            return self
        others = self.probabilities.astype(np.float32)
        others[np.arange(len(self)), self.class_index] = 0
        alone = (others <= threshold).all(axis=1)
        alone |= ~np.isin(self.class_index, self.class_index[alone])
        return self.rows(alone)

    def rows(self, chosen: NDArray[np.bool_]) -> AnchorTable:
        """Some of the anchors; `chosen`: (anchors,)."""
        return replace(
            self,
            clip=self.clip[chosen],
            class_index=self.class_index[chosen],
            start_samples=self.start_samples[chosen],
            probabilities=self.probabilities[chosen],
        )

    def save(self, path: Path) -> None:
        """Write the table as NPZ, whole or not at all."""
        columns: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        with written_aside(path) as aside, aside.open("wb") as file:
            np.savez(file, **columns)

    @classmethod
    def load(cls, path: Path) -> AnchorTable:
        """Read a table that `save` wrote.

        Raises:
            UserError: the file is missing, broken, or not an anchor table.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                columns = {f.name: stored[f.name] for f in fields(cls)}
            columns |= {key: int(columns[key]) for key in ("sample_rate", "segment_samples")}
            return cls(**columns)
        except (*BROKEN_FILE, KeyError, ValueError) as error:
            raise UserError(
                f"{path} is no anchor table ({error}); mine the anchors again"
            ) from error
