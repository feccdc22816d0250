"""Ready-made nets of the PANNs family; `Panns` is the same network with all its settings open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from uss_plugins.query_nets.panns_network import Panns

__all__ = ["Panns", "cnn14", "cnn14_decision_level_max", "cnn_small"]


def cnn14(
    sample_rate: int = 32000,
    class_names: Sequence[str] | None = None,
    block_dropout: float = 0.2,
    head_dropout: float = 0.5,
) -> Panns:
    """Cnn14, the tagger whose probabilities and embedding condition the paper's separators.

    At 32 kHz and with AudioSet's classes it is the published net. See `Panns` for what the
    parameters mean.
    """
    return Panns(sample_rate, class_names, block_dropout=block_dropout, head_dropout=head_dropout)


def cnn14_decision_level_max(
    sample_rate: int = 32000,
    class_names: Sequence[str] | None = None,
    block_dropout: float = 0.2,
    head_dropout: float = 0.5,
) -> Panns:
    """Cnn14_DecisionLevelMax, the detector that mines the paper's anchor segments.

    See `Panns` for what the parameters mean.
    """
    return Panns(
        sample_rate,
        class_names,
        head="decision_level_max",
        block_dropout=block_dropout,
        head_dropout=head_dropout,
    )


def cnn_small(
    sample_rate: int = 16000,
    class_names: Sequence[str] | None = None,
    channels: Sequence[int] = (16, 32, 64, 128),
    embedding_size: int = 128,
    head: Literal["clip", "decision_level_max"] = "decision_level_max",
    window_seconds: float = 0.032,
    hop_seconds: float = 0.02,
    mel_size: int = 64,
    low_frequency: float = 50.0,
    high_frequency: float = 14000.0,
    block_dropout: float = 0.0,
    head_dropout: float = 0.2,
) -> Panns:
    """A thin, short net that tags and detects, and trains on two cores in minutes.

    See `Panns` for what the parameters mean.
    """
    return Panns(
        sample_rate,
        class_names,
        channels,
        embedding_size,
        head,
        window_seconds,
        hop_seconds,
        mel_size,
        low_frequency,
        high_frequency,
        block_dropout,
        head_dropout,
    )
