"""AST's front end in torch: batched, on the audio's device, equal to transformers' ASTFeatureExtractor."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.errors import UserError
from uss_plugins.ecosystems import import_torchaudio

WINDOW_SECONDS = 0.025
HOP_SECONDS = 0.01
LOW_FREQUENCY = 20.0  # Hz; the highest is the Nyquist frequency
UNWARPED = (100.0, -500.0, 1.0)  # Kaldi's warping of frequencies by speaker, not used
PREEMPHASIS = 0.97
FLOOR = torch.finfo(torch.float32).eps


class AstFeatures(nn.Module):
    """Log-mel energies after Kaldi's `fbank`, normalised as AST was trained.

    Frames of 25 ms every 10 ms, each without its mean, pre-emphasised, under a symmetric Hann window. Audio
    shorter than a frame is filled with zeros to one; what is missing to the net's length is filled with
    energies of 0, before they are normalised, as the extractor does. No longer audio than `max_samples` is
    taken; who calls cuts it.

    Args:
        extractor: an ASTFeatureExtractor, whose settings these are.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, extractor: Any) -> None:
        super().__init__()
        self.sample_rate = int(extractor.sampling_rate)
        self.mel_size, self.max_frames = int(extractor.num_mel_bins), int(extractor.max_length)
        self.mean, self.deviation = (
            (float(extractor.mean), 2 * float(extractor.std))
            if extractor.do_normalize
            else (0.0, 1.0)
        )
        self.window_samples = int(self.sample_rate * WINDOW_SECONDS)
        self.hop_samples = int(self.sample_rate * HOP_SECONDS)
        if min(self.hop_samples, self.mel_size, self.max_frames) < 1 or not self.deviation:
            raise UserError(
                f"query net 'ast': its feature extractor has a rate of {self.sample_rate} Hz,"
                f" {self.mel_size} mel bins, {self.max_frames} frames and a deviation of {self.deviation};"
                " all must be above 0, and the rate at least 100"
            )
        self.n_fft = 1 << (self.window_samples - 1).bit_length()
        self.max_samples = (self.max_frames - 1) * self.hop_samples + self.window_samples
        filters, _ = import_torchaudio().compliance.kaldi.get_mel_banks(
            self.mel_size, self.n_fft, float(self.sample_rate), LOW_FREQUENCY, 0.0, *UNWARPED
        )
        filters = F.pad(
            filters, (0, 1)
        ).T.contiguous()  # (bins, mel_size), nothing of Nyquist's bin
        window = torch.hann_window(self.window_samples, periodic=False)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """(batch, max_frames, mel_size) from (batch, samples) at the extractor's rate, float32."""
        with torch.autocast(audio.device.type, enabled=False):
            energies = self._energies(audio.float())
            missing = self.max_frames - energies.shape[1]
            filled = F.pad(energies, (0, 0, 0, missing))
            return (filled - self.mean) / self.deviation

    def _energies(self, audio: Tensor) -> Tensor:
        """Log-mel energies (batch, frames, mel_size) of the frames that are wholly in the audio."""
        audio = F.pad(audio, (0, max(0, self.window_samples - audio.shape[1])))
        frames = audio.unfold(1, self.window_samples, self.hop_samples)[:, : self.max_frames]
        frames = frames - frames.mean(2, keepdim=True)  # (batch, frames, window_samples)
        before = torch.cat((frames[..., :1], frames[..., :-1]), dim=2)
        frames = (frames - PREEMPHASIS * before) * self.window.float()
        spectrum = torch.fft.rfft(frames, n=self.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()
        mels: Tensor = power @ self.filters.float()
        return mels.clamp(min=FLOOR).log()
