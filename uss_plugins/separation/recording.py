"""Separation of one recording of any length, block by block, in the memory of a short one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import BinaryIO

import torch

from registry.errors import UserError
from uss_plugins.audio.files import AudioReader
from uss_plugins.audio.formats import FormatChoice, PeakChoice, choose_encoding
from uss_plugins.audio.overlap_add import Segmenter
from uss_plugins.separation.channels import ChannelChoice
from uss_plugins.separation.job import Job
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.outputs import Outputs, Place, WrittenFile
from uss_plugins.separation.queries import Conditions

LONGEST_SEGMENT_SECONDS = 3600.0
"""A segment is in memory as a whole, several times over."""

LONGEST_FADE_SECONDS = 0.5
"""By default. A whole second was worth 0.01 dB more (standard error 0.01; 24 classes, a minute each)."""


@dataclass(frozen=True)
class Settings:
    """How recordings are separated and written.

    segment_seconds: length of the segments that a model sees. By default the paper's STFT has 1024 frames in
        it, of which a ResUNet computes 32 at a time: ten seconds would take as long.
    overlap_seconds: what neighbours share and cross-fade over: 0 cuts hard, half a segment is the most; None
        is a tenth of a segment, but not more than half a second.
    batch_size: how many segments are gathered, and how many a model separates at once.
    pad_last: fill a last segment that is too short with zeros, as the released system does, not with what
        comes before it; with an overlap of 0 it is always filled so.
    channels: "shared": one condition, heard in the mid signal, for all channels; "independent": one for each
        channel, or for each group of as many as the model takes.
    residual: write what is left, too.
    consistent: share the recording out among the outputs of a folder and their residual, see
        `uss_plugins.separation.consistency`.
    format, peak: see `uss_plugins.audio.formats.choose_encoding`; "scale" turns all outputs down alike,
        whatever their format, if one is over full scale.
    """

    segment_seconds: float = 10.23
    overlap_seconds: float | None = None
    batch_size: int = 1
    pad_last: bool = False
    channels: ChannelChoice = "shared"
    residual: bool = False
    consistent: bool = False
    format: FormatChoice = "auto"
    peak: PeakChoice = "clip"

    @property
    def fade_seconds(self) -> float:
        """What neighbouring segments share, by default or as set."""
        if self.overlap_seconds is not None:
            return self.overlap_seconds
        return min(self.segment_seconds / 10, LONGEST_FADE_SECONDS)


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
    stream: BinaryIO | None = None,
) -> Separation:
    """Extract from a recording what `conditions` describe, one file each, into `folder`.

    The files have the recording's rate, channels, exact length and, where their format can, its title, artist
    and the like. Where the recording is silent for a segment, so are they, exactly. Each channel is separated
    by itself, or as many together as the model takes.

    Args:
        model: in evaluation mode, on the device to use.
        path: the recording.
        conditions: a query, see `uss_plugins.separation.queries`.
        folder: made if need be; files that are there already are replaced.
        settings: see `Settings`.
        progress: called now and then with the samples read so far and in all.
        places: output -> a folder below `folder` and a name there; by default its own name in `folder`.
        stream: where the only output goes, as WAV, instead of a file.

    Raises:
        AudioFileError: the recording cannot be read, or an output not written. No file is left then.
        UserError: settings that do not fit, or a model whose output is not finite.
    """
    settings = settings or Settings()
    if stream:
        check_stream(conditions, settings)
    started = time.monotonic()
    segmenter = make_segmenter(settings, model.sample_rate)
    with AudioReader(path) as reader:
        outputs = Outputs(
            folder,
            reader,
            choose_encoding(reader, "wav" if stream else settings.format, settings.peak),
            scale=settings.peak == "scale",
            model_rate=model.sample_rate,
            overlap_samples=segmenter.overlap_samples,
            residual=settings.residual,
            places=places,
            stream=stream,
        )
        job = Job(model, reader, conditions, outputs, settings, progress, places or {})
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


def check_stream(conditions: Conditions, settings: Settings) -> None:
    """Refuse what a stream cannot take: several outputs, other formats, what is known only at the end."""
    if len(conditions.always) != 1 or len(conditions.classes) != 1 or settings.residual:
        raise UserError(
            "standard output takes one part; name one class, or several with --together, without --residual"
        )
    if settings.format not in ("auto", "wav"):
        raise UserError("standard output gets WAV; leave out --format")
    if settings.peak == "scale":
        raise UserError(
            "--peak scale needs the whole recording first; choose --peak float for standard output"
        )


def make_segmenter(settings: Settings, sample_rate: int) -> Segmenter:
    """The segments that `settings` ask for."""
    segment_seconds, overlap_seconds = settings.segment_seconds, settings.fade_seconds
    if not (isfinite(segment_seconds) and isfinite(overlap_seconds)):
        raise UserError("--segment-seconds and --overlap-seconds must be finite numbers")
    if segment_seconds > LONGEST_SEGMENT_SECONDS:
        raise UserError(
            f"segments of {segment_seconds:g} s do not fit into memory; give at most"
            f" {LONGEST_SEGMENT_SECONDS:g} for --segment-seconds"
        )
    segment_samples = round(segment_seconds * sample_rate)
    overlap_samples = round(overlap_seconds * sample_rate)
    if segment_samples < 1 or settings.batch_size < 1:
        raise UserError("segments and batches must be longer than nothing; raise --segment-seconds")
    if not 0 <= 2 * overlap_samples <= segment_samples:
        raise UserError(
            f"an overlap of {overlap_seconds} s does not fit segments of {segment_seconds} s;"
            " give at most half of one, and not less than 0"
        )
    # Where segments are not to overlap, the last one does not reach back into the one before it.
    return Segmenter(segment_samples, overlap_samples, settings.pad_last or overlap_samples == 0)
