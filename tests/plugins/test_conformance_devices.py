"""The trace of devices, made without a second one, names what would fail on it and passes what would not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from broken_components import Masker
from torch import Tensor

from registry.conformance.devices import check_devices
from registry.conformance.report import Report
from registry.conformance.subject import Subject

Rule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""What is made of a mixture (1, 1, samples), a condition (1, 8) and a plain tensor (8,), for the mixture."""

STAY: dict[str, Rule] = {
    "plain tensor": lambda x, c, table: table.sum(0, keepdim=True),
    "torch.fft": lambda x, c, table: torch.fft.fftfreq(x.shape[-1]),
    "normal": lambda x, c, table: torch.normal(0.0, 1.0, (x.shape[-1],)),
    "asarray": lambda x, c, table: torch.asarray([0.5]),
    "from numpy": lambda x, c, table: torch.from_numpy(np.ones(1, dtype=np.float32)),
    "indices": lambda x, c, table: c[0, torch.tril_indices(2, 2)[0]] * torch.triu_indices(2, 2)[0],
    "new from a plain tensor": lambda x, c, table: table.new_tensor([0.5]),
    "table indexed by what moved": lambda x, c, table: table[c.argmax(1)],
    "value put among what moved": lambda x, c, table: c[0].index_put((c[0] > 2,), table[:1]),
    "copied into a plain tensor": lambda x, c, table: table.clone().copy_(c[0])[:1],
    "scaled by a moved number": lambda x, c, table: (table * c.amax())[:1],
    "number spread on the CPU": lambda x, c, table: torch.tensor(0.5).expand(1),
    "brought back": lambda x, c, table: c.cpu()[0, :1],
    "moved once, used twice": lambda x, c, table: table.to(x.device)[:1] + table[:1],
}
MOVE: dict[str, Rule] = {
    "device of another": lambda x, c, table: torch.asarray([0.5], device=x.device),
    "new of another": lambda x, c, table: x.new_tensor([0.5]) + x.new_zeros(1),
    "like another": lambda x, c, table: torch.as_tensor(c[0, :1]) + torch.normal(c[0, :1], 0.0),
    "indices on the CPU": lambda x, c, table: c[0, torch.arange(1)] + c[0, [1]],
    "copied from a plain tensor": lambda x, c, table: torch.zeros_like(c[0]).copy_(table)[:1],
    "numbers without dimensions": lambda x, c, table: c[0, :1] * torch.tensor(0.5) + 1.0,
    "read on the CPU": lambda x, c, table: c[0, :1] * float(c.detach().cpu().numpy().max()),
}


class Adding(Masker):
    """Adds what a rule gives."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(condition_size=8)
        self.rule, self.table = rule, torch.linspace(0, 1, 8)

    def scale(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return super().scale(mixture, condition) + self.rule(mixture, condition, self.table)


def findings(rule: Rule) -> list[str]:
    report = Report()
    check_devices(Subject("separator", Adding(rule).eval(), 3, 4), report)
    return [finding.problem for finding in report.findings]


@pytest.mark.parametrize("rule", STAY.values(), ids=STAY)
def test_what_would_stay_on_the_cpu_is_named(rule: Rule) -> None:
    (problem,) = findings(rule)
    assert "stays on the CPU when it moves" in problem


@pytest.mark.parametrize("rule", MOVE.values(), ids=MOVE)
def test_what_is_right_on_every_device_passes(rule: Rule) -> None:
    assert findings(rule) == []
