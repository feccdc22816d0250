"""How long a planned separation will take, from a short measurement."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soundfile
import torch

from uss_plugins.reporting.sounds import MP3_RATES
from uss_plugins.separation.hierarchy.plan import Plan
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.recording import Settings, make_segmenter


@dataclass(frozen=True)
class Cost:
    """What a plan takes.

    estimates: runs of the separator on one segment and group of channels; batches: of these.
    listening_seconds: of the query net over the recording, as it took for the plan.
    separating_seconds: batches times the time measured for one.
    writing_seconds: files, players and pictures, from the time measured for one segment.
    """

    estimates: int
    batches: int
    listening_seconds: float
    separating_seconds: float
    writing_seconds: float

    @property
    def total_seconds(self) -> float:
        """All of it."""
        return self.listening_seconds + self.separating_seconds + self.writing_seconds


def estimate_cost(model: UniversalSeparator, plan: Plan, settings: Settings) -> Cost:
    """Time one batch of the separator and the writing of one segment, and multiply."""
    groups = -(-plan.heard.channels // model.channels)
    counts = [groups * count for count in plan.estimate_counts()]
    size = settings.batch_size
    gathered = [sum(counts[start : start + size]) for start in range(0, len(counts), size)]
    batches = sum(-(-count // size) for count in gathered)
    listening = plan.heard.elapsed_seconds
    if not batches:
        return Cost(0, 0, listening, 0.0, 0.0)
    segmenter = make_segmenter(settings, model.sample_rate)
    seconds = float(plan.heard.ends[0] - plan.heard.starts[0])
    if segmenter.pad_last:
        seconds = segmenter.segment_samples / model.sample_rate
    written = len(plan.outputs) * plan.heard.duration_seconds / seconds
    return Cost(
        estimates=sum(counts),
        batches=batches,
        listening_seconds=listening,
        separating_seconds=batches * _batch_seconds(model, size, seconds),
        writing_seconds=written * _writing_seconds(plan, seconds),
    )


@torch.inference_mode()
def _batch_seconds(model: UniversalSeparator, batch_size: int, segment_seconds: float) -> float:
    """One batch of noise."""
    device = model.query_bank.device
    samples = max(1, round(segment_seconds * model.sample_rate))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(batch_size, model.channels, samples, generator=generator).to(device)
    condition = torch.rand(batch_size, model.condition_size, generator=generator).to(device)
    # On a GPU the second call of a shape is recorded, and later ones are replayed; .cpu() waits for them.
    runs = 2 if device.type == "cpu" else 4
    return _last_run(lambda: model(0.1 * noise, condition).cpu(), runs)


def _writing_seconds(plan: Plan, segment_seconds: float) -> float:
    """Encoding one segment for its file and its player."""
    rate = plan.heard.sample_rate
    samples = max(1, round(segment_seconds * rate))
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (samples, min(2, plan.heard.channels)))
    mp3_rate = rate if rate in MP3_RATES else 44100

    def write() -> None:
        soundfile.write(io.BytesIO(), noise, rate, format="WAV", subtype="PCM_24")
        soundfile.write(io.BytesIO(), noise, mp3_rate, format="MP3", subtype="MPEG_LAYER_III")

    return _last_run(write, 2)


def _last_run(work: Callable[[], object], runs: int) -> float:
    """Seconds of the last of some runs: the ones before also pay for what is only set up once."""
    elapsed = 0.0
    for _ in range(runs):
        began = time.monotonic()
        work()
        elapsed = time.monotonic() - began
    return elapsed
