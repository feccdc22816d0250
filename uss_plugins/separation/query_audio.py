"""A condition from example recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uss_plugins.audio.files import AudioFileError, AudioReader
from uss_plugins.audio.overlap_add import Segmenter
from uss_plugins.audio.resampling import StreamingResampler
from uss_plugins.audio.silence import remove_silence
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.queries import FixedConditions

QUERY_SEGMENT_SECONDS = 2.0
"""As long as an anchor segment in training, so that a query is what the model has learnt to follow."""
SILENCE_FRAME_SECONDS = 0.1
SILENCE_PEAK = 0.02


def audio_query(model: UniversalSeparator, paths: Sequence[Path]) -> FixedConditions:
    """What sounds like these recordings: the mean over their conditions (paper, section III-F).

    Raises:
        AudioFileError: one of them cannot be read, or is silent.
    """
    conditions = torch.stack([condition_from_file(model, path) for path in paths])
    name = paths[0].stem if len(paths) == 1 else "query"
    return FixedConditions({name: conditions.mean(0)})


@torch.inference_mode()
def condition_from_file(model: UniversalSeparator, path: Path) -> Tensor:
    """The mean condition (condition_size,) over the 2-s segments of a recording, silence removed."""
    total: Tensor | None = None
    count = 0
    for segment in query_segments(path, model.sample_rate):
        audio = torch.from_numpy(segment).to(model.query_bank.device)
        condition = model.condition_from_audio(audio)[0]
        total = condition if total is None else total + condition
        count += 1
    if total is None:
        raise AudioFileError(
            f"{path}: silent, nothing in it is louder than {SILENCE_PEAK} of full scale to query by;"
            " raise its level"
        )
    return total / count


def query_segments(path: Path, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """The sounding parts of a recording, joined, in mono segments (1, samples) of 2 s.

    The last ends where the sound ends; a recording with less than 2 s of sound gives one shorter.
    """
    segmenter = Segmenter(max(1, round(QUERY_SEGMENT_SECONDS * sample_rate)), 0)
    for block in _mono_blocks(path, sample_rate):
        sounding = remove_silence(block, sample_rate, SILENCE_FRAME_SECONDS, SILENCE_PEAK)
        for segment in segmenter.push(sounding[np.newaxis]):
            yield segment.audio
    for segment in segmenter.finish():
        yield segment.audio


def _mono_blocks(path: Path, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """A recording mixed to mono and resampled: (samples,), in whole frames of 0.1 s but for the last."""
    frame_samples = max(1, round(SILENCE_FRAME_SECONDS * sample_rate))
    rest = np.zeros(0, np.float32)
    with AudioReader(path) as reader:
        resampler = StreamingResampler(reader.sample_rate, sample_rate, 1)
        for block in reader.blocks():
            rest = np.hstack((rest, resampler.push(block.mean(axis=0, keepdims=True))[0]))
            whole = len(rest) // frame_samples * frame_samples
            yield rest[:whole]
            rest = rest[whole:]
    rest = np.hstack((rest, resampler.finish()[0]))
    # Whole frames and the incomplete one apart, so that a short end is judged by itself.
    whole = len(rest) // frame_samples * frame_samples
    yield rest[:whole]
    yield rest[whole:]
