"""SpeechBrain's speaker encoders as query nets: a voice sample is the query (target-speaker extraction).

Features and networks are SpeechBrain's own, with the settings of its VoxCeleb recipes, so that weights which
those trained fit. They embed, and tag nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry.contracts import QueryOutput
from registry.errors import UserError
from uss_plugins.ecosystems import import_speechbrain

WEIGHTS_FILE = "embedding_model.ckpt"
"""What SpeechBrain's recipes and published folders call the encoder's weights."""
WINDOW_SECONDS, HOP_SECONDS = 0.025, 0.01


class SpeakerNet(nn.Module):
    """Log-mel bands, their mean over the recording removed, into an encoder of recordings.

    Audio with fewer frames than the encoder's reflecting convolutions need is padded with zeros at its end.

    Args:
        encoder: (batch, frames, bands) to (batch, 1, embedding_size).
        sample_rate: Hz, of the audio it takes.
        mel_size: bands.
        embedding_size: length of the embedding.
        min_frames: fewest frames that the encoder takes.
        normalise: scale each embedding to a root mean square of 1. Speakers are told apart by an embedding's
            direction (the encoders are trained for the cosine); its length says nothing.
    """

    class_names: tuple[str, ...] = ()
    frames_per_second = None

    def __init__(
        self,
        encoder: nn.Module,
        *,
        sample_rate: int,
        mel_size: int,
        embedding_size: int,
        min_frames: int,
        normalise: bool,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.embedding_size: int | None = embedding_size
        self.normalise = normalise
        self.encoder = encoder
        self.bands = MelBands(sample_rate, mel_size)
        self.min_samples = (min_frames - 1) * int(self.bands.stft.hop_length)

    def forward(self, audio: Tensor) -> QueryOutput:
        """The embedding of `audio`: (batch, samples), mono, any length of at least one sample."""
        audio = F.pad(audio.float(), (0, max(0, self.min_samples - audio.shape[1])))
        # The STFT knows no bfloat16, and half precision would drown quiet bands.
        with torch.autocast(audio.device.type, enabled=False):
            bands = self.bands(audio)  # (batch, frames, bands)
        centred = bands - bands.mean(1, keepdim=True)
        embedding = self.encoder(centred).squeeze(1).float()  # (batch, embedding_size)
        if self.normalise:
            embedding = F.normalize(embedding, dim=1) * embedding.shape[1] ** 0.5
        return QueryOutput(embedding=embedding)

    def load_pretrained(self, path: Path) -> None:
        """Take the weights of an encoder that SpeechBrain trained.

        path: `embedding_model.ckpt`, or the folder of a checkpoint or of a published model that holds it.

        Raises:
            UserError: it cannot be read, or is of other sizes.
        """
        from uss_plugins.weights.reading import read_checkpoint

        file = path / WEIGHTS_FILE if path.is_dir() else path
        state, own = read_checkpoint(file).state, self.encoder.state_dict()
        wrong = [f"{key} is not there" for key in own if key not in state]
        wrong += [f"{key} is not known" for key in state if key not in own]
        wrong += [
            f"{key} is {tuple(state[key].shape)}, not {tuple(value.shape)}"
            for key, value in own.items()
            if key in state and state[key].shape != value.shape
        ]
        if wrong:
            raise UserError(
                f"{file}: not the weights of this encoder ({len(wrong)} differ, such as: {wrong[0]});"
                " give the sizes that it was trained with"
            )
        self.encoder.load_state_dict(state)


class MelBands(nn.Module):
    """SpeechBrain's `Fbank`: (batch, samples) to (batch, frames, bands), in dB, at most 80 below the loudest.

    Its filters are computed once, not at every call, and lie where the net lies; nothing is stored.
    """

    filters: Tensor

    def __init__(self, sample_rate: int, mel_size: int) -> None:
        super().__init__()
        n_fft = 2 * math.ceil(WINDOW_SECONDS * sample_rate / 2)  # even: frames = samples // hop + 1
        device = torch.get_default_device()
        with torch.device("cpu"):  # SpeechBrain computes its filters there, whatever the default
            fbank = import_speechbrain("speechbrain.lobes.features").Fbank(
                sample_rate=sample_rate,
                n_fft=n_fft,
                n_mels=mel_size,
                win_length=1000 * WINDOW_SECONDS,
                hop_length=1000 * HOP_SECONDS,
            )
            fbank.compute_fbanks.log_mel = False
            filters = fbank.compute_fbanks(torch.eye(n_fft // 2 + 1)[None])[0]
        self.stft = fbank.compute_STFT
        window = self.stft.window
        del self.stft.window
        self.stft.register_buffer("window", window.to(device), persistent=False)
        self.register_buffer("filters", filters.to(device), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """See the class."""
        power = self.stft(audio).square().sum(3)  # (batch, frames, bins)
        decibels = 10 * torch.log10((power @ self.filters).clamp(min=1e-10))
        return decibels.maximum(decibels.amax((1, 2), keepdim=True) - 80)


class ExactStatistics(nn.Module):
    """Mean and standard deviation over frames: (batch, frames, channels) to (batch, 1, 2 * channels).

    In place of SpeechBrain's `StatisticsPooling`, which adds noise of at most 9e-5 to the mean, in evaluation
    too, and whose gradient is not finite in silence.
    """

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        variance = frames.var(dim=1).clamp(min=1e-12)
        return torch.cat((frames.mean(dim=1), variance.sqrt() + 1e-5), dim=1).unsqueeze(1)


def speechbrain_ecapa(
    sample_rate: int = 16000,
    mel_size: int = 80,
    embedding_size: int = 192,
    channels: Sequence[int] = (1024, 1024, 1024, 1024, 3072),
    kernel_sizes: Sequence[int] = (5, 3, 3, 3, 1),
    dilations: Sequence[int] = (1, 2, 3, 4, 1),
    attention_channels: int = 128,
    res2net_scale: int = 8,
    se_channels: int = 128,
    normalise: bool = True,
) -> SpeakerNet:
    """ECAPA-TDNN (arXiv 2005.07143) on SpeechBrain's Fbank; by default of the sizes of its VoxCeleb model.

    The last of `channels`, `kernel_sizes` and `dilations` is the layer that joins the blocks before it; the
    first is a plain layer. See `SpeakerNet` for `normalise`, `load_pretrained` for weights.
    """
    check_sizes("speechbrain_ecapa", sample_rate, mel_size, embedding_size)
    check_layers("speechbrain_ecapa", 3, channels, kernel_sizes, dilations)
    if min(attention_channels, res2net_scale, se_channels) < 1 or any(
        size % res2net_scale for size in channels[1:-1]
    ):
        raise UserError(
            f"speechbrain_ecapa: the channels between the first and the last, {list(channels[1:-1])}, must be"
            f" multiples of res2net_scale={res2net_scale}; attention_channels={attention_channels} and"
            f" se_channels={se_channels} at least 1"
        )
    if len(set(channels[:-1])) > 1:
        raise UserError(
            f"speechbrain_ecapa: all channels but the last must be equal, not {list(channels[:-1])}"
        )
    encoder = import_speechbrain("speechbrain.lobes.models.ECAPA_TDNN").ECAPA_TDNN(
        mel_size,
        lin_neurons=embedding_size,
        channels=list(channels),
        kernel_sizes=list(kernel_sizes),
        dilations=list(dilations),
        groups=[1] * len(channels),
        attention_channels=attention_channels,
        res2net_scale=res2net_scale,
        se_channels=se_channels,
    )
    return SpeakerNet(
        encoder,
        sample_rate=sample_rate,
        mel_size=mel_size,
        embedding_size=embedding_size,
        min_frames=min_frames(kernel_sizes, dilations),
        normalise=normalise,
    )


def speechbrain_xvector(
    sample_rate: int = 16000,
    mel_size: int = 24,
    embedding_size: int = 512,
    channels: Sequence[int] = (512, 512, 512, 512, 1500),
    kernel_sizes: Sequence[int] = (5, 3, 3, 1, 1),
    dilations: Sequence[int] = (1, 2, 3, 1, 1),
    normalise: bool = True,
) -> SpeakerNet:
    """x-vectors (Snyder et al. 2018) on SpeechBrain's Fbank; by default of the sizes of its VoxCeleb model.

    See `SpeakerNet` for `normalise`, `load_pretrained` for weights.
    """
    check_sizes("speechbrain_xvector", sample_rate, mel_size, embedding_size)
    check_layers("speechbrain_xvector", 1, channels, kernel_sizes, dilations)
    encoder = import_speechbrain("speechbrain.lobes.models.Xvector").Xvector(
        tdnn_blocks=len(channels),
        tdnn_channels=list(channels),
        tdnn_kernel_sizes=list(kernel_sizes),
        tdnn_dilations=list(dilations),
        lin_neurons=embedding_size,
        in_channels=mel_size,
    )
    pooling = import_speechbrain("speechbrain.nnet.pooling").StatisticsPooling
    for place, block in enumerate(encoder.blocks):
        if isinstance(block, pooling):
            encoder.blocks[place] = ExactStatistics()
    return SpeakerNet(
        encoder,
        sample_rate=sample_rate,
        mel_size=mel_size,
        embedding_size=embedding_size,
        min_frames=min_frames(kernel_sizes, dilations),
        normalise=normalise,
    )


def min_frames(kernel_sizes: Sequence[int], dilations: Sequence[int]) -> int:
    """Reflection takes more frames than it pads; a deviation takes two."""
    reaches = (d * (k - 1) // 2 for k, d in zip(kernel_sizes, dilations, strict=True))
    return max(2, 1 + max(reaches))


def check_sizes(name: str, sample_rate: int, mel_size: int, embedding_size: int) -> None:
    """Refuse a front end or an embedding that cannot be built, in one line."""
    if sample_rate < 1000 or min(mel_size, embedding_size) < 1:
        raise UserError(
            f"{name}: sample_rate={sample_rate} must be at least 1000, mel_size={mel_size} and"
            f" embedding_size={embedding_size} at least 1"
        )


def check_layers(
    name: str,
    fewest: int,
    channels: Sequence[int],
    kernel_sizes: Sequence[int],
    dilations: Sequence[int],
) -> None:
    """Refuse layers that cannot be built, in one line."""
    if not fewest <= len(channels) == len(kernel_sizes) == len(dilations):
        raise UserError(
            f"{name}: channels, kernel_sizes and dilations have {len(channels)}, {len(kernel_sizes)} and"
            f" {len(dilations)} layers; give each the same number, at least {fewest}"
        )
    if min(*channels, *kernel_sizes, *dilations) < 1 or any(size % 2 == 0 for size in kernel_sizes):
        raise UserError(
            f"{name}: channels={list(channels)} and dilations={list(dilations)} must be at least 1,"
            f" kernel_sizes={list(kernel_sizes)} odd"
        )
