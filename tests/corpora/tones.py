"""A corpus of tones whose times are known, and a query net that detects them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from registry.contracts import ClipUnreadableError, Event, QueryOutput

RATE = 8000
TONES = {"low": 500, "middle": 1500, "high": 3000}


class ToneCorpus:
    """Clips of different lengths with one tone per labelled class at a known time."""

    sample_rate = RATE
    class_names = tuple(TONES)
    class_ids = tuple(TONES)

    def __init__(self) -> None:
        self.seconds = [4.0, 6.0, 1.2, 5.0, 6.0]
        self.true_events = [
            [Event(0, 2.5, 3.5)],
            [Event(0, 0.5, 2.0), Event(2, 3.5, 5.5)],
            [Event(1, 0.0, 1.2)],
            [],
            [Event(1, 4.0, 4.5)],
        ]
        self.labels = np.zeros((5, 3), bool)
        for clip, events in enumerate(self.true_events):
            self.labels[clip, [event.class_index for event in events]] = True

    def __len__(self) -> int:
        return 5

    def clip(self, index: int) -> NDArray[np.float32]:
        if index == 4:
            raise ClipUnreadableError("tone4.wav: damaged")
        time = np.arange(round(self.seconds[index] * RATE)) / RATE
        audio = np.zeros_like(time)
        for event in self.true_events[index]:
            sounding = (time >= event.start_seconds) & (time < event.end_seconds)
            frequency = list(TONES.values())[event.class_index]
            audio += 0.3 * np.sin(2 * np.pi * frequency * time) * sounding
        return audio.astype(np.float32)

    def events(self, index: int) -> Sequence[Event]:
        return self.true_events[index]

    def source(self, class_index: int, index: int, seconds: float) -> NDArray[np.float32]:
        raise NotImplementedError("not asked of this corpus")


class ToneDetector(torch.nn.Module):
    """Detects tones by their share of the spectrum; its classes stand in another order."""

    class_names: tuple[str, ...] = ("high", "noise", "low", "middle")
    embedding_size = None
    frames_per_second: float | None = 100.0

    def __init__(self, sample_rate: int = RATE) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.heard: list[tuple[int, int]] = []

    def forward(self, audio: torch.Tensor) -> QueryOutput:
        assert not self.training
        self.heard.append((audio.shape[0], audio.shape[1]))
        window_size = self.sample_rate // 10
        spectrum = torch.stft(
            audio,
            window_size,
            self.sample_rate // 100,
            window=torch.hann_window(window_size),
            return_complex=True,
        ).abs()  # 10 Hz per bin
        frequencies = (3000, 3900, 500, 1500)
        level = torch.stack([spectrum[:, f // 10] for f in frequencies], dim=2)
        probabilities = (level / (0.15 * window_size / 2)).clamp(max=1)
        return QueryOutput(probabilities.amax(dim=1), probabilities)
