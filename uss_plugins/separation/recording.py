"""Separation of one recording of any length, block by block, in the memory of a short one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from registry.errors import UserError
from uss_plugins.audio.files import AudioReader
from uss_plugins.audio.formats import FormatChoice, PeakChoice, choose_encoding
from uss_plugins.audio.overlap_add import Segment, Segmenter
from uss_plugins.separation.channels import ChannelItem, channel_items, mid_signal
from uss_plugins.separation.consistency import make_consistent
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.outputs import Outputs, Place, WrittenFile
from uss_plugins.separation.queries import Conditions, Cue
from uss_plugins.separation.reading import read_segments


@dataclass(frozen=True)
class Settings:
    """How recordings are separated and written.

    segment_seconds: length of the segments that a model sees.
    overlap_seconds: what neighbours share and cross-fade over: 0 cuts hard, half a segment is the most; None
        is a tenth of a segment.
    batch_size: how many segments are gathered, and how many a model separates at once.
    pad_last: fill a last segment that is too short with zeros, as the released system does, not with what
        comes before it.
    residual: write what is left, too.
    consistent: share the recording out among the outputs of a folder and their residual, see
        `uss_plugins.separation.consistency`.
    format, peak: see `uss_plugins.audio.formats.choose_encoding`; "scale" turns all outputs down alike.
    """

    segment_seconds: float = 10.0
    overlap_seconds: float | None = None
    batch_size: int = 1
    pad_last: bool = False
    residual: bool = False
    consistent: bool = False
    format: FormatChoice = "auto"
    peak: PeakChoice = "clip"


@dataclass(frozen=True)
class Separation:
    """What was made of a recording.

    outputs: the files; `classes` and `probabilities` (the largest heard) are by output name.
    folder: where the outputs are, or folders of them.
    energy: sum of the recording's squared samples.
    gain: what all outputs were multiplied by to stay within full scale.
    elapsed_seconds: time taken.
    """

    path: Path
    folder: Path
    sample_rate: int
    channels: int
    samples: int
    outputs: list[WrittenFile]
    classes: dict[str, tuple[str, ...]]
    probabilities: dict[str, float]
    energy: float
    gain: float
    elapsed_seconds: float


@torch.inference_mode()
def separate_recording(
    model: UniversalSeparator,
    path: Path,
    conditions: Conditions,
    folder: Path,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
    places: Mapping[str, Place] | None = None,
) -> Separation:
    """Extract from a recording what `conditions` describe, one file each, into `folder`.

    The files have the recording's rate, channels and exact length. Where the recording is silent for a
    segment, so are they, exactly. Each channel is separated by itself, or as many together as the model
    takes, all with the condition of the mid signal.

    Args:
        model: in evaluation mode, on the device to use.
        path: the recording.
        conditions: a query, see `uss_plugins.separation.queries`.
        folder: made if need be; files that are there already are replaced.
        settings: see `Settings`.
        progress: called now and then with the samples read so far and in all.
        places: output -> a folder below `folder` and a name there; by default its own name in `folder`.

    Raises:
        AudioFileError: the recording cannot be read, or an output not written. No file is left then.
        UserError: settings that do not fit, or a model whose output is not finite.
    """
    settings = settings or Settings()
    started = time.monotonic()
    segmenter = make_segmenter(settings, model.sample_rate)
    with AudioReader(path) as reader:
        outputs = Outputs(
            folder,
            reader,
            choose_encoding(reader, settings.format, settings.peak),
            scale=settings.peak == "scale",
            model_rate=model.sample_rate,
            overlap_samples=segmenter.overlap_samples,
            residual=settings.residual,
            places=places,
        )
        job = _Job(model, reader, conditions, outputs, settings, progress, places or {})
        with outputs:
            job.run(segmenter)
            files, gain = outputs.commit()
    return Separation(
        path=path,
        folder=folder,
        sample_rate=reader.sample_rate,
        channels=reader.channels,
        samples=job.samples,
        outputs=files,
        classes=dict(conditions.classes),
        probabilities=job.probabilities,
        energy=job.energy,
        gain=gain,
        elapsed_seconds=time.monotonic() - started,
    )


def make_segmenter(settings: Settings, sample_rate: int) -> Segmenter:
    """The segments that `settings` ask for."""
    segment_seconds, overlap_seconds = settings.segment_seconds, settings.overlap_seconds
    if overlap_seconds is None:
        overlap_seconds = segment_seconds / 10
    if not (isfinite(segment_seconds) and isfinite(overlap_seconds)):
        raise UserError("--segment-seconds and --overlap-seconds must be finite numbers")
    segment_samples = round(segment_seconds * sample_rate)
    overlap_samples = round(overlap_seconds * sample_rate)
    if segment_samples < 1 or settings.batch_size < 1:
        raise UserError("segments and batches must be longer than nothing; raise --segment-seconds")
    if not 0 <= 2 * overlap_samples <= segment_samples:
        raise UserError(
            f"an overlap of {overlap_seconds} s does not fit segments of {segment_seconds} s;"
            " give at most half of one, and not less than 0"
        )
    return Segmenter(segment_samples, overlap_samples, settings.pad_last)


class _Job:
    """The separation of one recording while it runs."""

    def __init__(
        self,
        model: UniversalSeparator,
        reader: AudioReader,
        conditions: Conditions,
        outputs: Outputs,
        settings: Settings,
        progress: Callable[[int, int], None] | None,
        places: Mapping[str, Place],
    ) -> None:
        self.model, self.reader, self.conditions, self.outputs = model, reader, conditions, outputs
        self.batch_size, self.consistent = settings.batch_size, settings.consistent
        self.progress, self.places = progress, places
        self.samples = 0
        self.energy = 0.0
        self.probabilities: dict[str, float] = {}

    def run(self, segmenter: Segmenter) -> None:
        """From the first sample read to the last one written."""
        for name in self.conditions.always:
            self.outputs.open(name)
        segments = read_segments(
            self.reader, self.model.sample_rate, segmenter, self._take_original
        )
        while batch := list(itertools.islice(segments, self.batch_size)):
            for segment, estimates in zip(batch, self._separate(batch), strict=True):
                fresh = {name: e[:, segment.fresh] for name, e in estimates.items()}
                self.outputs.push(fresh, segment.fresh_samples)
        self.outputs.finish(self.samples)

    def _take_original(self, block: NDArray[Any]) -> None:
        self.samples += block.shape[1]
        self.energy += float(np.square(block).sum())
        self.outputs.original(block)
        if self.progress:
            self.progress(self.samples, self.reader.samples)

    def _separate(self, segments: Sequence[Segment]) -> list[dict[str, NDArray[np.float32]]]:
        """Estimates (channels, samples) by output, for segments of equal length.

        Outputs that are told the very same condition share one estimate.
        """
        estimates: list[dict[str, NDArray[np.float32]]] = [{} for _ in segments]
        items: list[ChannelItem] = []
        sounding = [index for index, segment in enumerate(segments) if segment.audio.any()]
        for index, cues in zip(sounding, self._cues(segments, sounding), strict=True):
            audio = segments[index].audio
            made: dict[int, NDArray[np.float32]] = {}
            for name, cue in cues.items():
                if cue.condition is None:
                    continue
                if id(cue.condition) not in made:
                    target = made[id(cue.condition)] = np.zeros_like(audio)
                    items += channel_items(audio, target, cue.condition, self.model.channels)
                estimates[index][name] = made[id(cue.condition)]
        for start in range(0, len(items), self.batch_size):
            self._run_model(items[start : start + self.batch_size])
        if self.consistent:
            for segment, own in zip(segments, estimates, strict=True):
                self._share_out(segment.audio, own)
        return estimates

    def _share_out(
        self, mixture: NDArray[np.float32], estimates: dict[str, NDArray[np.float32]]
    ) -> None:
        """Make the estimates of each folder consistent with the mixture, in place of what they were."""
        folders: dict[str, list[str]] = {}
        for name in estimates:
            place = self.places.get(name, Place("", name))
            folders.setdefault(place.folder, []).append(name)
        for names in folders.values():
            own = [estimates[name] for name in names]
            shared = make_consistent(mixture, own, self.model.sample_rate)
            estimates.update(zip(names, shared, strict=True))

    def _cues(self, segments: Sequence[Segment], indices: Sequence[int]) -> list[dict[str, Cue]]:
        if not indices:
            return []
        mid = np.stack([mid_signal(segments[index].audio) for index in indices])
        cues = self.conditions(self._tensor(mid))
        for name, cue in itertools.chain.from_iterable(one.items() for one in cues):
            if cue.probability is not None:
                heard = self.probabilities.get(name, 0.0)
                self.probabilities[name] = max(heard, cue.probability)
        return cues

    def _run_model(self, items: Sequence[ChannelItem]) -> None:
        mixture = self._tensor(np.stack([item.mixture for item in items]))
        condition = torch.stack([item.condition for item in items])
        estimate = self.model(mixture, condition).float().cpu().numpy()
        if not np.isfinite(estimate).all():
            raise UserError(
                f"{self.reader.path}: the model's output is not finite; its weights are damaged,"
                " or its training diverged"
            )
        for item, one in zip(items, estimate, strict=True):
            item.target[:] = one[: len(item.target)]

    def _tensor(self, audio: NDArray[Any]) -> Tensor:
        return torch.from_numpy(audio).to(self.model.query_bank.device)
