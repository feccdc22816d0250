"""What the query net hears in a recording, segment by segment: one pass, before anything is separated."""

from __future__ import annotations

import itertools
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from registry.errors import UserError
from uss_plugins.audio.files import AudioReader
from uss_plugins.audio.overlap_add import Segment
from uss_plugins.separation.channels import mid_signal
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.reading import read_segments
from uss_plugins.separation.recording import Settings, make_segmenter


@dataclass(frozen=True)
class Heard:
    """A recording as the query net hears it.

    probabilities: (segments, classes), in [0, 1]; zeros where the recording is silent.
    sounding: (segments,) bool, whether there is anything but silence in a segment.
    starts, ends: (segments,), seconds; neighbouring segments overlap.
    channels, sample_rate, samples: of the recording.
    elapsed_seconds: time taken.
    """

    probabilities: NDArray[np.float32]
    sounding: NDArray[np.bool_]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    channels: int
    sample_rate: int
    samples: int
    elapsed_seconds: float

    @property
    def duration_seconds(self) -> float:
        """Length of the recording."""
        return self.samples / self.sample_rate


@torch.inference_mode()
def listen_to_recording(model: UniversalSeparator, path: Path, settings: Settings) -> Heard:
    """Tag every segment of a recording once, `settings.batch_size` at a time.

    The memory taken grows by the probabilities only: four bytes for each class and segment.

    Raises:
        AudioFileError: the recording cannot be read.
        UserError: the query net tags no classes.
    """
    began = time.monotonic()
    segmenter = make_segmenter(settings, model.sample_rate)
    tagged: list[NDArray[np.float32]] = []
    fresh_samples: list[int] = []
    samples = 0

    def count(block: NDArray[Any]) -> None:
        nonlocal samples
        samples += block.shape[1]

    with (
        AudioReader(path) as reader,
        closing(
            read_segments(reader, model.sample_rate, segmenter, count, settings.batch_size)
        ) as segments,
    ):
        while batch := list(itertools.islice(segments, settings.batch_size)):
            tagged.append(_tag(model, batch))
            fresh_samples += [one.fresh_samples for one in batch]
    probabilities = np.concatenate(tagged)
    steps = np.array(fresh_samples) - segmenter.overlap_samples
    starts = np.concatenate(([0], np.cumsum(steps[:-1]))) / model.sample_rate
    ends = starts + np.array(fresh_samples) / model.sample_rate
    return Heard(
        probabilities=np.maximum(probabilities, 0),
        sounding=probabilities[:, 0] >= 0,
        starts=starts,
        ends=np.minimum(ends, samples / reader.sample_rate),
        channels=reader.channels,
        sample_rate=reader.sample_rate,
        samples=samples,
        elapsed_seconds=time.monotonic() - began,
    )


def _tag(model: UniversalSeparator, segments: list[Segment]) -> NDArray[np.float32]:
    """Probabilities (segments, classes); -1 where a segment is silent, which nobody listens to."""
    tagged = np.full((len(segments), len(model.class_names)), -1, np.float32)
    sounding = [index for index, segment in enumerate(segments) if segment.audio.any()]
    if sounding:
        mid = np.stack([mid_signal(segments[index].audio) for index in sounding])
        query = model.listen(torch.from_numpy(mid).to(model.query_bank.device))
        if query.clip_probabilities is None:
            raise UserError(
                "the model's query net tags no classes, so it cannot tell which nodes sound; use --query"
            )
        tagged[sounding] = query.clip_probabilities.float().cpu().numpy()
    return tagged
