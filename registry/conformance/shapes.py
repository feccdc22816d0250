"""What comes out has the shape and the meaning that a network declares, for any batch and any length."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from registry.conformance.report import Report
from registry.conformance.subject import USUAL_SECONDS, Subject
from registry.contracts import QueryOutput
from registry.errors import UserError

BATCH_SIZES = (1, 2, 3)
ODD_SECONDS = 0.0137  # no multiple of a usual hop
LONG_SECONDS = 2.0
_CLASS_SHIFT = 0.4


def check_declared_outputs(subject: Subject, report: Report) -> None:
    """What a network declares of its output is true of what it gives for a usual input."""
    if subject.kind == "query_net":
        _check_query_output(subject, report)
    elif subject.kind == "embedding":
        _check_strategy(subject, report)


def _check_query_output(subject: Subject, report: Report) -> None:
    net: Any = subject.network
    (audio,) = subject.inputs(2, round(LONG_SECONDS * net.sample_rate))
    output = net(audio)
    if not report.expect(
        isinstance(output, QueryOutput),
        f"it gives a {type(output).__name__}",
        "return a registry.contracts.QueryOutput",
    ):
        return
    class_count = len(net.class_names)
    declared = {
        "clip_probabilities": ("class_names", class_count > 0, (2, class_count)),
        "frame_probabilities": ("frames_per_second", net.frames_per_second is not None, None),
        "embedding": ("embedding_size", net.embedding_size is not None, (2, net.embedding_size)),
    }
    for name, (attribute, gives, shape) in declared.items():
        value = getattr(output, name)
        report.expect(
            (value is not None) == gives,
            f"{attribute} is {getattr(net, attribute)!r:.60} and {name} is {type(value).__name__}",
            "give both, or neither",
        )
        if value is not None and gives and shape is not None:
            report.tensor(name, value, shape)
    _check_frames(net, output, audio.shape[1], report)
    for name in ("clip_probabilities", "frame_probabilities"):
        value = getattr(output, name)
        if isinstance(value, Tensor):
            inside = bool(((value >= 0) & (value <= 1) | value.isnan()).all())
            report.expect(inside, f"{name} leave [0, 1]", "end in a sigmoid")


def _check_frames(net: Any, output: QueryOutput, samples: int, report: Report) -> None:
    """Their number is the rate times the length, within two frames or a twentieth."""
    frame = output.frame_probabilities
    if frame is None or net.frames_per_second is None:
        return
    frame_count = frame.shape[1] if isinstance(frame, Tensor) and frame.ndim == 3 else 1
    if report.tensor("frame_probabilities", frame, (2, frame_count, len(net.class_names))):
        expected = samples / net.sample_rate * net.frames_per_second
        report.expect(
            abs(frame_count - expected) <= max(2.0, 0.05 * expected),
            f"{frame_count} frames come of {samples} samples",
            f"make it about {expected:.0f}, or correct frames_per_second",
        )


def _check_strategy(subject: Subject, report: Report) -> None:
    strategy: Any = subject.network
    count = subject.class_count
    query, classes = subject.inputs(2)
    shape = (2, strategy.condition_size)
    report.tensor("the condition", strategy(query, classes), shape)
    if strategy.needs_classes:
        report.expect(
            _refuses(strategy, query),
            "needs_classes is True, and it gives a condition without classes",
            "make it False, or raise a UserError where classes is None",
        )
    else:
        report.tensor("the condition without classes", strategy(query, None), shape)
    if strategy.class_indexed and report.expect(
        strategy.condition_size == count,
        f"it is class-indexed, and condition_size is {strategy.condition_size}, not {count}",
        "make them equal, or class_indexed False",
    ):
        _check_class_index(subject, report)


def _refuses(strategy: Any, query: QueryOutput) -> bool:
    try:
        strategy(query, None)
    except Exception:  # whatever it raises, it does need them
        return True
    return False


def _check_class_index(subject: Subject, report: Report) -> None:
    """Dimension k means class k: hearing more of class k raises dimension k more than any other."""
    strategy, count = subject.network, subject.class_count
    low = torch.full((count, count), 0.5)
    high = low + _CLASS_SHIFT * torch.eye(count)
    embedding = torch.zeros(count, subject.embedding_size)
    conditions = [
        strategy(QueryOutput(each, each[:, None], embedding), (each > 0.5).float())
        for each in (low, high)
    ]
    rise = conditions[1] - conditions[0]
    wrong = (rise.argmax(1) != torch.arange(count)) | (rise.diagonal() <= 0)
    report.expect(
        not wrong.any(),
        f"it is class-indexed, and more of class {int(wrong.int().argmax())} raises another dimension",
        "let dimension k of the condition mean class k, or make class_indexed False",
    )


def check_shapes(subject: Subject, report: Report) -> None:
    """The shapes of the contract for several batch sizes, lengths and channels.

    Each odd length comes with an even one: a net that halves the length may bring back one kind only.
    """
    lengths = _lengths(subject)
    channels = _channel_counts(subject, report)
    for samples, batch_size in zip(lengths, cycle(BATCH_SIZES), strict=False):
        check_output(subject, subject.inputs(batch_size, samples), report)
    looked_at = [f"batches of {', '.join(map(str, BATCH_SIZES))}"]
    if subject.kind != "embedding":
        looked_at.append(f"{', '.join(map(str, sorted(lengths)))} samples")
    if subject.kind == "separator":
        looked_at.append(channels)
    report.note = "; ".join(looked_at)


def _lengths(subject: Subject) -> list[int]:
    """One sample, an odd few and an odd half second; then two, an even few, and half a second as it is."""
    if subject.kind == "embedding":
        return [1] * len(BATCH_SIZES)  # of no meaning
    odd = sorted({1, *(round(s * _rate(subject)) | 1 for s in (ODD_SECONDS, USUAL_SECONDS))})
    return [*odd, 2, *(samples - 1 for samples in odd[1:])]


def _rate(subject: Subject) -> int:
    return int(getattr(subject.network, "sample_rate", 1))


def _channel_counts(subject: Subject, report: Report) -> str:
    """Check another number of channels, where the factory takes one; say what was looked at."""
    if subject.kind != "separator":
        return ""
    built_for = subject.attribute("channels")
    if subject.make is None or "channels" not in subject.takes:
        return f"{built_for} channels only"
    other = 1 if built_for > 1 else 2
    try:
        network = subject.make(channels=other)
    except UserError as error:
        return f"{built_for} channels, refusing {other}: {error}"
    report.expect(
        getattr(network, "channels", None) == other,
        f"built for {other} channels it says {getattr(network, 'channels', None)!r}",
        "set self.channels from the parameter",
    )
    another = Subject(subject.kind, network.eval(), subject.class_count, subject.embedding_size)
    check_output(another, another.inputs(2, round(ODD_SECONDS * _rate(subject)) | 1), report)
    return f"{built_for} and {other} channels"


def check_output(subject: Subject, inputs: tuple[Any, ...], report: Report) -> None:
    """One call keeps the shapes of the contract."""
    network: Any = subject.network
    batch_size = len(inputs[-1])
    output = network(*inputs)
    if subject.kind == "separator":
        report.tensor("the estimate", output, tuple(inputs[0].shape))
    elif subject.kind == "embedding":
        report.tensor("the condition", output, (batch_size, network.condition_size))
    else:
        for name, value in vars(output).items():
            if value is not None:
                sizes = value.shape[1:] if isinstance(value, Tensor) else ()
                last = network.embedding_size if name == "embedding" else len(network.class_names)
                report.tensor(name, value, (batch_size, *sizes[:-1], last))
