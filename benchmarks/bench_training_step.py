"""A training step of the synthetic recipe's separator: what bf16 and keeping freed memory are worth.

Each case runs in a fresh process, because what glibc is told holds for the rest of a process. The result of
the first case is the yardstick; `ratio_to_plain` of the others is in `extra_info`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import json, sys, time
import torch
from uss_plugins.separators.resunet import resunet_small
from uss_plugins.training.losses import neg_snr
from uss_plugins.training.memory import keep_freed_memory

keep, bf16, batch_size, steps = json.loads(sys.argv[1])
if keep:
    keep_freed_memory()
torch.manual_seed(0)
net = resunet_small(condition_size=24).to(memory_format=torch.channels_last)
optimiser = torch.optim.AdamW(net.parameters(), fused=True)
mixture, target = 0.1 * torch.randn(2, batch_size, 1, 32000)
condition = torch.rand(batch_size, 24)
seconds = []
for _ in range(steps):
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        estimate = net(mixture, condition)
    neg_snr(estimate, target).backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    seconds.append(time.perf_counter() - start)
print(sorted(seconds[2:])[len(seconds[2:]) // 2])
"""
BATCH_SIZE, STEPS = 8, 14
CASES = {
    "plain": (False, False),
    "bf16": (False, True),
    "bf16, memory kept": (True, True),
}
_PLAIN: dict[str, float] = {}


def median_step_seconds(keep_memory: bool, bf16: bool) -> float:
    """Median seconds of a step in a process of its own."""
    arguments = json.dumps([keep_memory, bf16, BATCH_SIZE, STEPS])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, arguments], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.parametrize("case", CASES)
def test_step(benchmark: Any, case: str) -> None:
    measured: list[float] = []
    benchmark.pedantic(lambda: measured.append(median_step_seconds(*CASES[case])), rounds=3)
    median = sorted(measured)[1]
    _PLAIN.setdefault("plain", median)
    benchmark.extra_info["step_seconds"] = median
    benchmark.extra_info["ratio_to_plain"] = _PLAIN["plain"] / median
