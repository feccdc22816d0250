"""What a check finds, and the few ways of finding it that all checks share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Finding:
    """A part of the contract that a component breaks, and what its author can do."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


@dataclass
class Report:
    """The findings on one component."""

    findings: list[Finding] = field(default_factory=list)

    def expect(self, holds: bool, problem: str, remedy: str) -> bool:
        """Note a finding unless `holds`, once however often it is seen. Gives `holds`."""
        finding = Finding(problem, remedy)
        if not holds and finding not in self.findings:
            self.findings.append(finding)
        return holds

    def tensor(self, name: str, value: Any, shape: tuple[int, ...]) -> bool:
        """Expect a finite floating-point tensor of a shape."""
        import torch

        return (
            self.expect(
                isinstance(value, torch.Tensor) and value.is_floating_point(),
                f"{name} is {type(value).__name__}",
                "make it a floating-point tensor",
            )
            and self.expect(
                tuple(value.shape) == shape,
                f"{name} has shape {tuple(value.shape)}",
                f"make it {shape}",
            )
            and self.expect(
                bool(value.isfinite().all()),
                f"{name} holds NaN or infinity",
                "bound divisions, logarithms and roots from below; silence must pass too",
            )
        )

    def alone(self, name: str, batch: Tensor, item: Tensor) -> None:
        """Expect the first of a batch to come out as it does alone."""
        import torch

        self.expect(
            torch.allclose(batch[:1], item, rtol=1e-3, atol=1e-4),
            f"{name} of an item depends on the rest of its batch",
            "normalise within an item, or with stored statistics in eval mode",
        )
