"""Recordings of any number of channels, for models that take a fixed one and query nets that take mono."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

ChannelChoice = Literal["shared", "independent"]


@dataclass(frozen=True)
class ChannelItem:
    """What a model separates at a time.

    mixture: (channels, samples), as many channels as the model takes.
    condition: (condition_size,).
    target: (channels, samples), where the estimate of the first channels goes.
    """

    mixture: NDArray[np.float32]
    condition: Tensor
    target: NDArray[np.float32]


def channel_items(
    audio: NDArray[np.float32],
    wanted: Sequence[tuple[Tensor, NDArray[np.float32]]],
    channels: int,
) -> Iterator[ChannelItem]:
    """`audio` in groups of `channels`, the last filled with its last channel; silent groups are left out.

    wanted: conditions, and where the estimate of each goes: to the same channels of an array that is silent
        beforehand. Those of one mixture follow each other, as they share its transform.
    """
    for start in range(0, len(audio), channels):
        group = audio[start : start + channels]
        if group.any():
            filled = np.concatenate((group, group[-1:].repeat(channels - len(group), axis=0)))
            for condition, target in wanted:
                yield ChannelItem(filled, condition, target[start : start + channels])


def listened_groups(choice: ChannelChoice, recording_channels: int, channels: int) -> list[slice]:
    """The channels that are listened to together, and get a condition of their own.

    "shared": all of them. "independent": as many as a model takes at a time, for most models one.
    """
    if choice == "shared":
        return [slice(0, recording_channels)]
    return [slice(start, start + channels) for start in range(0, recording_channels, channels)]


def mid_signal(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels, (samples,); where they all but cancel out, the loudest channel."""
    mid: NDArray[np.float32] = audio.mean(axis=0, dtype=np.float32)
    energies = np.square(audio, dtype=np.float64).sum(axis=1)
    if np.square(mid, dtype=np.float64).sum() < 1e-4 * energies.max():
        mid = audio[int(energies.argmax())]
    return mid
