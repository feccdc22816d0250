"""CLAP's front end in torch: batched, on the audio's device, equal to transformers' ClapFeatureExtractor.

Where the extractor crops long audio at random, nothing here is random: see `ClapFeatures`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.errors import UserError
from uss_plugins.query_nets.frontend import LogMel

FUSED_CHANNELS = 4
"""The whole in brief, and three crops."""


class ClapFeatures(nn.Module):
    """Log-mel spectrograms as a CLAP expects them.

    Audio shorter than the net's length (`max_samples`, 10 s) is filled by the extractor's own policy:
    `repeatpad` (as often as it fits, then zeros), `repeat` (up to the end), `pad` (zeros). A net with feature
    fusion takes longer audio whole: shrunk to the net's length, and three crops of it, one from the middle of
    each third of all places (the extractor: from a random place of each third). A net without takes no longer
    audio; who calls cuts it.

    Args:
        extractor: a ClapFeatureExtractor, whose settings these are.
        fusion: whether the net fuses features.

    Raises:
        UserError: settings that mean no spectrogram, or a policy that is none of these.
    """

    def __init__(self, extractor: Any, *, fusion: bool) -> None:
        super().__init__()
        self.sample_rate = int(extractor.sampling_rate)
        self.max_samples = round(extractor.nb_max_samples)
        self.hop_length = int(extractor.hop_length)
        self.padding, self.fusion = str(extractor.padding), fusion
        if self.padding not in ("repeatpad", "repeat", "pad"):
            raise UserError(
                f"query net 'clap': padding {self.padding!r} of its feature extractor must be 'repeatpad',"
                " 'repeat' or 'pad'"
            )
        n_fft = int(extractor.fft_window_size)
        if self.hop_length < 1 or self.max_samples <= n_fft // 2 or n_fft % 2:
            raise UserError(
                f"query net 'clap': its feature extractor has a window of {n_fft} and a hop of"
                f" {self.hop_length} in {self.max_samples} samples; the window must be even and fit in, the"
                " hop be at least 1"
            )
        self.log_mel = LogMel(
            sample_rate=self.sample_rate,
            n_fft=n_fft,
            hop_length=self.hop_length,
            mel_size=int(extractor.feature_size),
            low_frequency=float(extractor.frequency_min),
            high_frequency=float(extractor.frequency_max),
        )
        # CLAP was trained with torchaudio's filters for fused features, with librosa's for others.
        fused_filters = extractor.truncation == "fusion"
        filters = extractor.mel_filters if fused_filters else extractor.mel_filters_slaney
        self.log_mel.filters = torch.from_numpy(np.asarray(filters, np.float32))

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrograms (batch, channels, frames, mel_size) in dB, and whether fused: (batch, 1) bool.

        audio: (batch, samples) at the extractor's rate. Four channels with fusion, else one;
        frames = max_samples // hop_length + 1.
        """
        frames = self.max_samples // self.hop_length + 1
        log_mel = self.log_mel(self._filled(audio))
        is_longer = self.fusion and log_mel.shape[1] > frames
        if is_longer:
            features = self._fused(log_mel, frames)
        else:
            channels = FUSED_CHANNELS if self.fusion else 1
            features = log_mel.unsqueeze(1).expand(-1, channels, -1, -1)
        return features, torch.full((len(audio), 1), is_longer, device=audio.device)

    def _filled(self, audio: Tensor) -> Tensor:
        """Audio of at least `max_samples` samples."""
        samples = audio.shape[1]
        if samples < self.max_samples and self.padding != "pad":
            times = self.max_samples // samples + (1 if self.padding == "repeat" else 0)
            audio = audio.repeat(1, times)[:, : self.max_samples]
        return F.pad(audio, (0, max(0, self.max_samples - audio.shape[1])))

    def _fused(self, log_mel: Tensor, frames: int) -> Tensor:
        """The whole in brief and three crops: (batch, 4, frames, mel_size)."""
        size = [frames, log_mel.shape[2]]
        brief = F.interpolate(log_mel.unsqueeze(1), size=size, mode="bilinear", align_corners=False)
        starts = crop_starts(log_mel.shape[1], frames)
        crops = [log_mel[:, start : start + frames] for start in starts]
        return torch.cat((brief, torch.stack(crops, dim=1)), dim=1)


def crop_starts(frames: int, crop_frames: int) -> list[int]:
    """First frames of three crops: the middle of each third of the places where a crop fits."""
    thirds = np.array_split(np.arange(frames - crop_frames + 1), 3)
    return [int(third[len(third) // 2]) if len(third) else 0 for third in thirds]
