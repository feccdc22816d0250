"""A training step of the synthetic recipe's separator: what bf16 and keeping freed memory are worth.

Each case runs in a fresh process, because what glibc is told holds for the rest of a process. The first case
is the yardstick of `ratio_to_plain`.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from measuring import Measure

PROGRAM = """
import json, sys
import torch
from uss_plugins.benchmarking.measures import median_seconds
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

def step():
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        estimate = net(mixture, condition)
    neg_snr(estimate, target).backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)

print(median_seconds(step, rounds=steps, warm_up=2))
"""
BATCH_SIZE, STEPS = 8, 12
CASES = {
    "float32": (False, False),
    "bf16": (False, True),
    "bf16, freed memory kept": (True, True),
}
_PLAIN: list[float] = []


@pytest.mark.benchmark(group="training step of resunet_small, a process each")
@pytest.mark.parametrize("case", CASES)
def test_step(measure: Measure, case: str) -> None:
    arguments = json.dumps([*CASES[case], BATCH_SIZE, STEPS])
    seconds: list[float] = []

    def run() -> None:
        command = [sys.executable, "-c", PROGRAM, arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(float(done.stdout))

    measure.benchmark.pedantic(run, rounds=1)
    (step_seconds,) = seconds
    if not _PLAIN:
        _PLAIN.append(step_seconds)
    measure.note(
        case,
        seconds=step_seconds,
        audio_seconds=BATCH_SIZE * 2.0,
        settings={"batch_size": BATCH_SIZE},
        figures={"ratio_to_plain": round(_PLAIN[0] / step_seconds, 2)},
    )
