"""Puts a network to its checks: each in a block that leaves it as it was, each fault on its own check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from registry.conformance import behaviour, devices, learning, shapes, storing
from registry.conformance.report import RELIES_ON_ATTRIBUTES, Outcome, Report, Stopwatch
from registry.conformance.subject import Subject
from registry.plugins import one_line


class Check(NamedTuple):
    """A check of a network, and whether it is run in training mode."""

    run: Callable[[Subject, Report], None]
    training: bool = False


NETWORK_CHECKS = {
    "shapes": Check(shapes.check_shapes),
    "finite": Check(behaviour.check_finite),
    "independent": Check(behaviour.check_independence),
    "repeatable": Check(behaviour.check_repeatable),
    "led": Check(behaviour.check_led),
    "gradients": Check(learning.check_gradients, training=True),
    "stored": Check(storing.check_storing),
    "devices": Check(devices.check_devices),
    "bf16": Check(learning.check_bf16),
}


def examine_network(
    kind: str,
    network: Any,
    class_count: int,
    embedding_size: int,
    make: Callable[..., Any] | None,
    takes: frozenset[str],
    report: Report,
    stopwatch: Stopwatch,
) -> Iterator[Outcome]:
    """The outcomes of the checks from "attributes" on. report: what is wrong with the attributes so far."""
    if report.expect(
        isinstance(network, torch.nn.Module),
        f"it is a {type(network).__name__}",
        "make it a torch.nn.Module",
    ):
        subject = Subject(kind, network, class_count, embedding_size, make, takes)
        if not report.findings:
            _run(Check(shapes.check_declared_outputs), subject, report)
    yield stopwatch.outcome("attributes", report)
    reason = RELIES_ON_ATTRIBUTES if report.findings else ""
    for name, check in NETWORK_CHECKS.items():
        if reason:
            yield Outcome(name, "not checked", reason)
            continue
        report = Report()
        _run(check, subject, report)
        yield stopwatch.outcome(name, report)
        if name == "shapes" and report.findings and not _usable(subject):
            reason = "it relies on the shapes"


def _run(check: Check, subject: Subject, report: Report) -> None:
    try:
        with subject.altered(check.training):
            check.run(subject, report)
    except Exception as error:  # a call that fails is a finding like any other
        report.expect(
            False,
            f"calling it raised {one_line(error)}",
            "take what the contract allows: any batch, any length, any device, bfloat16 autocast",
        )


def _usable(subject: Subject) -> bool:
    """Whether a usual input gives what the contract says, though an unusual one did not."""
    report = Report()
    _run(
        Check(lambda subject, report: shapes.check_output(subject, subject.inputs(2), report)),
        subject,
        report,
    )
    return not report.findings
