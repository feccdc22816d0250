"""The network of the PANNs family of audio taggers (Kong et al. 2020, arXiv 1912.10211).

Shapes: batch, samples, frames (of the STFT), steps (frames left after pooling), classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.contracts import QueryOutput
from registry.errors import UserError
from uss_plugins.query_nets.frontend import LogMel

if TYPE_CHECKING:
    from uss_plugins.query_nets.prepared_panns import PreparedPanns

CNN14_CHANNELS = (64, 128, 256, 512, 1024, 2048)


class ConvBlock(nn.Module):
    """Two 3x3 convolutions, each with batch norm and ReLU, on (batch, channels, steps, bands)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.bn1(self.conv1(x)))
        return F.relu_(self.bn2(self.conv2(x)))


class Panns(nn.Module):
    """A tagger, and with the head `decision_level_max` a detector too. The defaults are Cnn14.

    Its parameters and buffers carry the names of the released checkpoints (`bn0`,
    `conv_block1.conv1`, ..., `fc1`, `fc_audioset`); the front end is fixed and stores nothing.
    Kernels start Xavier uniform, biases at zero.

    Probabilities and embedding are float32, under autocast too. Audio shorter than the network
    needs (`min_samples`) is padded with zeros at its end.

    Args:
        sample_rate: Hz, of the audio it takes.
        class_names: the classes it tags, in order; None for AudioSet's 527.
        channels: of each block; every block but the last halves time and bands.
        embedding_size: of the hidden layer; None for the channels of the last block.
        head: `clip` pools time before the classifier (Cnn14); `decision_level_max` classifies each
            step and takes the maximum over time (Cnn14_DecisionLevelMax).
        window_seconds: of the STFT; rounded to an even number of samples.
        hop_seconds: of the STFT; `frames_per_second` is its reciprocal, but for rounding.
        mel_size: mel bands.
        low_frequency, high_frequency: Hz, of the mel bands; the higher is lowered to the Nyquist
            frequency.
        block_dropout: after each block, in training.
        head_dropout: before each linear layer of `decision_level_max`, and before the first of
            `clip`, in training. (The released Cnn14 also drops from the embedding it returns.)

    Raises:
        UserError: the sizes do not fit together.
    """

    def __init__(
        self,
        sample_rate: int = 32000,
        class_names: Sequence[str] | None = None,
        channels: Sequence[int] = CNN14_CHANNELS,
        embedding_size: int | None = None,
        head: Literal["clip", "decision_level_max"] = "clip",
        window_seconds: float = 0.032,
        hop_seconds: float = 0.01,
        mel_size: int = 64,
        low_frequency: float = 50.0,
        high_frequency: float = 14000.0,
        block_dropout: float = 0.2,
        head_dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.class_names = _audioset_names() if class_names is None else tuple(class_names)
        high_frequency = min(high_frequency, sample_rate / 2)
        n_fft = 2 * round(window_seconds * sample_rate / 2)
        hop_length = round(hop_seconds * sample_rate)
        _check_network(self.class_names, channels, embedding_size, head, mel_size)
        _check_frontend(n_fft, hop_length, low_frequency, high_frequency)
        self.embedding_size: int | None = embedding_size or channels[-1]
        self.frames_per_second = None if head == "clip" else sample_rate / hop_length
        self.head = head
        self.block_count = len(channels)
        self.frames_per_step = 2 ** (self.block_count - 1)
        # Reflect padding wants more than half a window, the pooling at least one step.
        self.min_samples = max(n_fft // 2 + 1, (self.frames_per_step - 1) * hop_length)
        self.block_dropout = block_dropout
        self.head_dropout = head_dropout
        self.log_mel = LogMel(
            sample_rate=sample_rate,
            n_fft=n_fft,
            hop_length=hop_length,
            mel_size=mel_size,
            low_frequency=low_frequency,
            high_frequency=high_frequency,
        )
        self.bn0 = nn.BatchNorm2d(mel_size)
        for number, sizes in enumerate(zip((1, *channels), channels, strict=False), start=1):
            self.add_module(f"conv_block{number}", ConvBlock(*sizes))
        self.fc1 = nn.Linear(channels[-1], self.embedding_size)
        self.fc_audioset = nn.Linear(self.embedding_size, len(self.class_names))
        self.apply(_initialise)

    def forward(self, audio: Tensor) -> QueryOutput:
        """What is heard in `audio`: (batch, samples), mono, any length of at least one sample.

        Frame probabilities are None with the head `clip`; otherwise there is a frame at every
        multiple of the hop, frames = samples // hop_length + 1, and frames that were pooled
        together share a value.
        """
        return self.hear(self._features(audio), audio.shape[1])

    def prepare(self) -> PreparedPanns:
        """The same for inference only, faster on a processor; it follows these weights."""
        from uss_plugins.query_nets.prepared_panns import PreparedPanns

        return PreparedPanns(self)

    def hear(self, features: Tensor, samples: int) -> QueryOutput:
        """What the head makes of the blocks' output (batch, channels, steps) for so many samples."""
        if self.head == "clip":
            return self._tag(features)
        return self._detect(features, samples // self.log_mel.hop_length + 1)

    def scaled_log_mel(self, audio: Tensor) -> Tensor:
        """(batch, 1, frames, bands): what the blocks take of `audio` (batch, samples)."""
        audio = F.pad(audio, (0, max(0, self.min_samples - audio.shape[1])))
        log_mel = self.log_mel(audio)  # (batch, frames, bands)
        with torch.autocast(audio.device.type, enabled=False):
            scaled: Tensor = self.bn0(log_mel.transpose(1, 2).unsqueeze(3))  # bands are channels
        return scaled.permute(0, 3, 2, 1)

    def _features(self, audio: Tensor) -> Tensor:
        """(batch, channels, steps): the blocks' output, averaged over bands."""
        x = self.scaled_log_mel(audio)
        for number in range(1, self.block_count + 1):
            x = self.get_submodule(f"conv_block{number}")(x)
            if number < self.block_count:
                x = F.avg_pool2d(x, 2)
            x = F.dropout(x, self.block_dropout, self.training)
        return x.mean(dim=3)

    def _tag(self, features: Tensor) -> QueryOutput:
        """Cnn14: pool time, then classify."""
        pooled = features.amax(dim=2) + features.mean(dim=2)  # (batch, channels)
        hidden = F.relu(self.fc1(F.dropout(pooled, self.head_dropout, self.training)))
        return QueryOutput(
            clip_probabilities=self.fc_audioset(hidden).float().sigmoid(),
            embedding=hidden.float(),
        )

    def _detect(self, features: Tensor, frames: int) -> QueryOutput:
        """Cnn14_DecisionLevelMax: classify each step, then take the maximum over time.

        The embedding, which the released net lacks, is the maximum plus the mean over time of its
        hidden layer.
        """
        smooth = F.max_pool1d(features, 3, 1, padding=1) + F.avg_pool1d(features, 3, 1, padding=1)
        steps = F.dropout(smooth, self.head_dropout, self.training).transpose(1, 2)
        hidden = F.relu(self.fc1(steps))  # (batch, steps, embedding_size)
        logits = self.fc_audioset(F.dropout(hidden, self.head_dropout, self.training))
        probabilities = logits.float().sigmoid()  # (batch, steps, classes)
        step_of_frame = torch.arange(frames, device=features.device) // self.frames_per_step
        return QueryOutput(
            clip_probabilities=probabilities.amax(dim=1),
            frame_probabilities=probabilities[:, step_of_frame.clamp(max=steps.shape[1] - 1)],
            embedding=hidden.float().amax(dim=1) + hidden.float().mean(dim=1),
        )


def _audioset_names() -> tuple[str, ...]:
    from uss_plugins.labels.audioset import classes

    return tuple(audioset_class.name for audioset_class in classes())


def _check_network(
    class_names: tuple[str, ...],
    channels: Sequence[int],
    embedding_size: int | None,
    head: str,
    mel_size: int,
) -> None:
    """Raise UserError for a network that cannot be built."""
    if not class_names:
        raise UserError("query net: class_names is empty; name at least one class, or leave it out")
    if not channels or min(channels) < 1:
        raise UserError(
            f"query net: channels {list(channels)} must be one or more sizes of at least 1"
        )
    if embedding_size is not None and embedding_size < 1:
        raise UserError(f"query net: embedding_size {embedding_size} must be at least 1")
    if head not in ("clip", "decision_level_max"):
        raise UserError(f"query net: head {head!r} must be 'clip' or 'decision_level_max'")
    if mel_size < 2 ** (len(channels) - 1):
        raise UserError(
            f"query net: mel_size {mel_size} is too small for {len(channels)} blocks, "
            f"which halve it {len(channels) - 1} times; give at least {2 ** (len(channels) - 1)}"
        )


def _check_frontend(
    n_fft: int, hop_length: int, low_frequency: float, high_frequency: float
) -> None:
    """Raise UserError for a front end that cannot be built."""
    if n_fft < 2 or hop_length < 1:
        raise UserError(
            f"query net: a window of {n_fft} and a hop of {hop_length} samples are too short; "
            "raise window_seconds or hop_seconds"
        )
    if not 0 <= low_frequency < high_frequency:
        raise UserError(
            f"query net: low_frequency {low_frequency:g} Hz must lie between 0 and "
            f"{high_frequency:g} Hz (high_frequency, at most half of sample_rate)"
        )


def _initialise(module: nn.Module) -> None:
    """Xavier uniform kernels and zero biases; batch norms start at 1 and 0 by themselves."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
