"""What a check finds, and the few ways of finding it that all checks share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Status = Literal["passed", "failed", "not checked"]
RELIES_ON_ATTRIBUTES = "it relies on the attributes"


@dataclass(frozen=True)
class Finding:
    """A part of the contract that a component breaks, and what its author can do."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


@dataclass(frozen=True)
class Outcome:
    """What came of one check.

    check: its name, a key of `registry.conformance.CHECKS`.
    note: what was looked at, or why it was not.
    findings: what is broken; of a check that passed, none.
    """

    check: str
    status: Status
    note: str = ""
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0

    @property
    def reason(self) -> str:
        """One line: what is broken and the remedy, or the note."""
        return ". ".join(map(str, self.findings)) if self.findings else self.note


@dataclass
class Report:
    """The findings of one check, and in a few words what it looked at."""

    findings: list[Finding] = field(default_factory=list)
    note: str = ""

    def expect(self, holds: bool, problem: str, remedy: str) -> bool:
        """Note a finding unless `holds`, once however often it is seen. Gives `holds`."""
        finding = Finding(problem, remedy)
        if not holds and finding not in self.findings:
            self.findings.append(finding)
        return holds

    def tensor(self, name: str, value: Any, shape: tuple[int, ...]) -> bool:
        """Expect a floating-point tensor of a shape."""
        import torch

        return self.expect(
            isinstance(value, torch.Tensor) and value.is_floating_point(),
            f"{name} is {type(value).__name__}",
            "make it a floating-point tensor",
        ) and self.expect(
            tuple(value.shape) == shape,
            f"{name} has shape {tuple(value.shape)}",
            f"make it {shape}",
        )

    def finite(self, name: str, value: Tensor, remedy: str) -> bool:
        """Expect neither NaN nor infinity."""
        return self.expect(bool(value.isfinite().all()), f"{name} holds NaN or infinity", remedy)


class Stopwatch:
    """Makes a report an outcome, with the seconds since the last one."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def outcome(self, check: str, report: Report) -> Outcome:
        """The outcome of a check that has ended."""
        started, self._started = self._started, time.perf_counter()
        status: Status = "failed" if report.findings else "passed"
        findings = tuple(report.findings)
        return Outcome(check, status, report.note, findings, self._started - started)
