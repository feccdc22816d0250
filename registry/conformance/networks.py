"""The checks of the kinds that are networks: query nets, embedding strategies, separators.

Each is called on noise and silence in several batch sizes and lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from registry.conformance.report import Report
from registry.contracts import QueryOutput

_BATCH_SIZES = (1, 3)
_LENGTHS_SECONDS = (0.0, 0.0137, 1.0)  # one sample; no multiple of a usual hop; a usual length


def check_query_net(net: Any, report: Report) -> None:
    for audio in _audio(net.sample_rate, ()):
        output = net(audio)
        if not report.expect(
            isinstance(output, QueryOutput),
            f"it gives a {type(output).__name__}",
            "return a registry.contracts.QueryOutput",
        ):
            return
        _check_query_output(net, output, audio, report)
    if report.findings:
        return
    alone = net(audio[:1])
    for name in ("clip_probabilities", "frame_probabilities", "embedding"):
        if getattr(output, name) is not None:
            report.alone(name, getattr(output, name), getattr(alone, name))


def _check_query_output(net: Any, output: QueryOutput, audio: Tensor, report: Report) -> None:
    batch_size, class_count = len(audio), len(net.class_names)
    declared = {
        "clip_probabilities": ("class_names", class_count > 0),
        "frame_probabilities": ("frames_per_second", net.frames_per_second is not None),
        "embedding": ("embedding_size", net.embedding_size is not None),
    }
    for name, (attribute, gives) in declared.items():
        report.expect(
            (getattr(output, name) is not None) == gives,
            f"{attribute} is {getattr(net, attribute)!r:.60} and {name} "
            f"is {type(getattr(output, name)).__name__}",
            "give both, or neither",
        )
    clip, frame = output.clip_probabilities, output.frame_probabilities
    if output.embedding is not None and net.embedding_size is not None:
        report.tensor("embedding", output.embedding, (batch_size, net.embedding_size))
    if clip is not None and report.tensor("clip_probabilities", clip, (batch_size, class_count)):
        _check_probabilities("clip_probabilities", clip, report)
    if frame is not None and net.frames_per_second is not None:
        frame_count = frame.shape[1] if frame.ndim == 3 else 1
        shape = (batch_size, frame_count, class_count)
        if report.tensor("frame_probabilities", frame, shape):
            _check_probabilities("frame_probabilities", frame, report)
            expected = audio.shape[1] / net.sample_rate * net.frames_per_second
            report.expect(
                abs(frame_count - expected) <= max(2.0, 0.05 * expected),
                f"{frame_count} frames come of {audio.shape[1]} samples",
                f"make it about {expected:.0f}, or correct frames_per_second",
            )


def _check_probabilities(name: str, value: Tensor, report: Report) -> None:
    report.expect(
        bool(((value >= 0) & (value <= 1)).all()), f"{name} leave [0, 1]", "end in a sigmoid"
    )


def check_embedding(strategy: Any, report: Report, class_count: int, embedding_size: int) -> None:
    report.expect(
        not strategy.class_indexed or strategy.condition_size == class_count,
        f"it is class-indexed, and condition_size is {strategy.condition_size}, not {class_count}",
        "make them equal, or class_indexed False",
    )
    generator = torch.Generator().manual_seed(0)
    for batch_size in _BATCH_SIZES:
        query = QueryOutput(
            torch.rand(batch_size, class_count, generator=generator),
            torch.rand(batch_size, 10, class_count, generator=generator),
            torch.randn(batch_size, embedding_size, generator=generator),
        )
        classes = torch.eye(class_count)[:1].expand(batch_size, -1)
        shape = (batch_size, strategy.condition_size)
        report.tensor("the condition", strategy(query, classes), shape)
        if not strategy.needs_classes:
            report.tensor("the condition without classes", strategy(query, None), shape)


def check_separator(separator: Any, report: Report) -> None:
    generator = torch.Generator().manual_seed(1)
    for mixture in _audio(separator.sample_rate, (separator.channels,)):
        condition = torch.rand(len(mixture), separator.condition_size, generator=generator)
        estimate = separator(mixture, condition)
        report.tensor("the estimate", estimate, tuple(mixture.shape))
    if not report.findings:
        report.alone("the estimate", estimate, separator(mixture[:1], condition[:1]))


def _audio(sample_rate: int, channels: tuple[int, ...]) -> Iterator[Tensor]:
    """Noise (batch, *channels, samples) of all batch sizes and lengths, its last item silence."""
    generator = torch.Generator().manual_seed(0)
    for seconds in _LENGTHS_SECONDS:
        for batch_size in _BATCH_SIZES:
            length = max(1, round(seconds * sample_rate))
            audio = 0.1 * torch.randn(batch_size, *channels, length, generator=generator)
            audio[1:][-1:] = 0.0
            yield audio
