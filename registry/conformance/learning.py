"""Whether a network can be trained: gradients, in float32 and under bfloat16 autocast."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from registry.conformance.report import Report
from registry.conformance.subject import Subject

BF16_TOLERANCE = 0.1  # random small built-ins stay below 0.03; digits that are lost soon cost 0.2
_DRAWS = 2  # dropout may hide a parameter from one
_SHOWN = 3


def check_gradients(subject: Subject, report: Report) -> None:
    """Every parameter that requires a gradient gets one that is finite and not all zero.

    Called in training mode inside `Subject.altered`, on weights that were stirred.
    """
    wanted = {name: p for name, p in subject.network.named_parameters() if p.requires_grad}
    if not wanted:
        report.note = "it has no parameters to train"
        return
    subject.stir()
    missing = set(wanted)
    for seed in range(_DRAWS):
        if not missing:
            break
        gradients = _gradients(subject, list(wanted.values()), seed)
        for name, gradient in zip(wanted, gradients, strict=True):
            if gradient is not None:
                _expect_finite(name, gradient, report)
                if gradient.any():
                    missing.discard(name)
    names = [name for name in wanted if name in missing]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    report.expect(
        not names,
        f"no gradient reaches {len(names)} of {len(wanted)} parameters:"
        f" {', '.join(names[:_SHOWN])}{more}",
        "let them act on the output without detach or argmax, or call requires_grad_(False) on them",
    )
    report.note = f"{len(wanted)} parameters to train"


def _gradients(
    subject: Subject, parameters: Sequence[Tensor], seed: int
) -> Sequence[Tensor | None]:
    """Of a random projection of all outputs."""
    outputs = subject.call(*subject.inputs(2, seed=seed)).values()
    loss = sum(
        ((value.float() * torch.randn(value.shape)).sum() for value in outputs), torch.zeros(())
    )
    if not loss.requires_grad:
        return [None] * len(parameters)
    return torch.autograd.grad(loss, parameters, allow_unused=True)


def _expect_finite(name: str, gradient: Tensor, report: Report) -> None:
    remedy = "bound divisions, logarithms and roots from below"
    report.finite(f"the gradient of {name}", gradient, remedy)


def check_bf16(subject: Subject, report: Report) -> None:
    """Under bfloat16 autocast, as `precision: bf16` trains, it computes nearly the same, and learns.

    Weights stay in float32, and autocast says which operations round. `module.to(torch.bfloat16)` is not
    asked for: it rounds windows, filter banks and running statistics too, and PyTorch's FFTs take no
    bfloat16, so that nothing with a spectrogram could keep it.
    """
    inputs = subject.inputs(1)
    with torch.no_grad():
        exact = subject.call(*inputs)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rounded = subject.call(*inputs)
    worst = 0.0
    for name, value in rounded.items():
        if report.finite(f"{name} under bf16", value, "compute what overflows in float32"):
            distance = float((value.detach().float() - exact[name]).norm())
            error = distance / max(float(exact[name].norm()), 1e-9)
            worst = max(worst, error)
            report.expect(
                error <= BF16_TOLERANCE,
                f"{name} under bf16 is {error:.0%} off its value in float32",
                "compute what loses its digits in float32, under torch.autocast(..., enabled=False)",
            )
    report.note = f"autocast; within {max(worst, 1e-4):.2%} of float32"
    _learn_under_bf16(subject, report)


def _learn_under_bf16(subject: Subject, report: Report) -> None:
    wanted = {name: p for name, p in subject.network.named_parameters() if p.requires_grad}
    if not wanted:
        return
    subject.network.train()
    with torch.autocast("cpu", torch.bfloat16):
        gradients = _gradients(subject, list(wanted.values()), seed=3)
    for name, gradient in zip(wanted, gradients, strict=True):
        if gradient is not None:
            _expect_finite(f"{name} under bf16", gradient, report)
