"""Removal of silence from query audio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def remove_silence(
    audio: NDArray[np.float32],
    sample_rate: int,
    frame_seconds: float = 0.1,
    threshold: float = 0.02,
) -> NDArray[np.float32]:
    """The frames of mono `audio` (samples,) whose peak is over `threshold`, joined: (samples,).

    Frames are `frame_seconds` long and do not overlap. As in the released system of arXiv
    2305.07447 an incomplete last frame is dropped; here not when it is the only one. Empty where
    all is silent.
    """
    frame_samples = min(round(frame_seconds * sample_rate), len(audio))
    if frame_samples == 0:
        return audio
    frames = audio[: len(audio) // frame_samples * frame_samples].reshape(-1, frame_samples)
    loud: NDArray[np.float32] = frames[np.abs(frames).max(axis=1) > threshold]
    return loud.reshape(-1)
