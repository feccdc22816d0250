"""How a network behaves in evaluation mode: repeatable, item by item, bounded, and led by its input."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from registry.conformance.report import Report
from registry.conformance.subject import Subject, named_outputs, rows
from registry.contracts import QueryOutput

_FINITE_REMEDY = "bound divisions, logarithms and roots from below, and exponentials from above"


def check_finite(subject: Subject, report: Report) -> None:
    """Silence, near-silence and loud input give finite output, and silence finite gradients."""
    for name, inputs in _extremes(subject).items():
        with torch.no_grad():
            for output, value in subject.call(*inputs).items():
                report.finite(f"{output} of {name}", value, _FINITE_REMEDY)
    wanted = [each for each in subject.network.parameters() if each.requires_grad]
    outputs = subject.call(*_extremes(subject)["silence"]).values()
    loss = sum((value.float().sum() for value in outputs), torch.zeros(()))
    if wanted and loss.requires_grad:
        for gradient in torch.autograd.grad(loss, wanted, allow_unused=True):
            if gradient is not None:
                report.finite("a gradient of silence", gradient, _FINITE_REMEDY)
    report.note = ", ".join(_extremes(subject))


def _extremes(subject: Subject) -> dict[str, tuple[Any, ...]]:
    """Inputs at the ends of what may come."""
    if subject.kind == "embedding":
        return {
            "silence": _uniform_query(subject, 0.0, 0.0, 0.0),
            "every class at once": _uniform_query(subject, 1.0, 1.0, 1.0),
            "a large embedding": _uniform_query(subject, 0.5, 1.0, 1e3),
        }
    noise, *condition = subject.inputs(1)
    return {
        "silence": (torch.zeros_like(noise), *condition),
        "near-silence": (1e-7 * noise, *condition),
        "full scale": (noise.sign(), *condition),
        "ten times full scale": (100 * noise, *condition),
    }


def _uniform_query(
    subject: Subject, probability: float, indicator: float, embedding: float
) -> tuple[QueryOutput, Tensor]:
    clip = torch.full((1, subject.class_count), probability)
    query = QueryOutput(
        clip, clip[:, None].repeat(1, 3, 1), torch.full((1, subject.embedding_size), embedding)
    )
    return query, torch.full_like(clip, indicator)


@torch.no_grad()
def check_independence(subject: Subject, report: Report) -> None:
    """An item comes out alone as it does among others."""
    inputs = subject.inputs(3)
    batch = subject.call(*inputs)
    for index in (0, 2):
        item = slice(index, index + 1)
        for name, alone in subject.call(*rows(inputs, item)).items():
            tolerance = 1e-4 * float(batch[name].abs().max().nan_to_num())
            report.expect(
                torch.allclose(batch[name][item], alone, 1e-3, tolerance, equal_nan=True),
                f"{name} of an item depends on the rest of its batch",
                "normalise within an item, or with stored statistics in evaluation mode",
            )


@torch.no_grad()
def check_repeatable(subject: Subject, report: Report) -> None:
    """The same input gives the same output, bit by bit, also after another input."""
    inputs = subject.inputs(1)
    first = subject.call(*inputs)
    subject.call(*subject.inputs(1, seed=1))
    for name, again in subject.call(*inputs).items():
        report.expect(
            torch.equal(first[name].nan_to_num(), again.nan_to_num()),
            f"{name} of the same input differs from call to call",
            "in evaluation mode draw nothing at random and change no state",
        )


def check_led(subject: Subject, report: Report) -> None:
    """A separator follows its condition, a query net its audio, an embedding strategy its query."""
    subject.stir()
    if subject.kind == "separator":
        _check_condition(subject, report)
        return
    inputs = [subject.inputs(1, seed=seed) for seed in (1, 2)]
    if subject.kind == "query_net":
        # An untrained net may hear little between two noises of one colour.
        inputs[1] = (rumble(inputs[1][0]),)
    outputs = [subject.call(*one) for one in inputs]
    cause = "the audio" if subject.kind == "query_net" else "the query"
    for name in outputs[0]:
        report.expect(
            _differ(outputs[0][name], outputs[1][name]),
            f"{name} is the same whatever {cause}",
            f"compute it from {cause}",
        )


def rumble(noise: Tensor) -> Tensor:
    """White noise made low, at its own level: (batch, samples)."""
    low = noise.cumsum(-1)
    low = low - low.mean(-1, keepdim=True)
    levelled: Tensor = low * (noise.norm() / low.norm())
    return levelled


def _check_condition(subject: Subject, report: Report) -> None:
    mixture, condition = subject.inputs(2)
    condition.requires_grad_()
    estimate = named_outputs(subject.kind, subject.network(mixture, condition))["the estimate"]
    with torch.no_grad():
        other = subject.network(mixture, condition.flip(0))
    remedy = "let it change the features, by FiLM for example"
    if not report.expect(
        _differ(estimate, other), "the estimate is the same whatever the condition", remedy
    ):
        return
    gradient = None
    if estimate.requires_grad:
        weights = torch.randn(estimate.shape, generator=torch.Generator().manual_seed(2))
        loss = (estimate * weights).sum()
        (gradient,) = torch.autograd.grad(loss, condition, allow_unused=True)
    if report.expect(
        gradient is not None,
        "no gradient reaches the condition, so that no learnable strategy could be trained with it",
        "do not detach the condition",
    ):
        assert gradient is not None
        idle = [index for index, used in enumerate(gradient.any(0).tolist()) if not used]
        report.expect(
            not idle,
            f"{len(idle)} of {gradient.shape[1]} dimensions of the condition do nothing"
            f" (the first is {idle[:1]})",
            remedy,
        )


def _differ(one: Tensor, other: Tensor) -> bool:
    """By more than rounding."""
    scale = float(one.detach().float().norm())
    return float((one - other).detach().float().norm()) > 1e-5 * scale
