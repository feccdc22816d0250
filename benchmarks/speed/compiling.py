"""What `torch.compile` makes of the separator's module, against its prepared form, in one 10-s segment.

`TORCHINDUCTOR_FREEZING=1` before the command has the compiler fold constants and lay out kernels beforehand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from speed.networks import RATE, make_separator, noise
from speed.segments import SEGMENT_SECONDS
from speed.timing import relative_error, seconds_of, use_device
from uss_plugins.labels.audioset import classes


def compile_row(device: torch.device) -> dict[str, Any]:
    """Two processes of one cache, which the first one finds empty and the second one filled."""
    load_average = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = (trial_in(Path(cache), device) for _ in range(2))
    return {"load_average": load_average, "cold": cold, "warm": warm}


def trial_in(cache: Path, device: torch.device) -> dict[str, Any]:
    """A trial in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "speed.compiling", str(device)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@torch.no_grad()
def trial(device: torch.device) -> dict[str, Any]:
    """Seconds of the first call, and then of each form in turns; bf16, channels-last.

    first_seconds: of the compiled module, compiling included.
    seconds: of the compiled module; eager_seconds: of the same without compiling.
    error: of the compiled module, against float32.
    """
    net = make_separator(len(classes())).to(device).to(memory_format=torch.channels_last)
    inputs = (
        noise(1, 1, SEGMENT_SECONDS * RATE).to(device),
        torch.rand(1, len(classes())).to(device),
    )
    exact, prepared = net(*inputs), net.prepare(torch.bfloat16)
    compiled = torch.compile(net, dynamic=False)
    with torch.autocast(device.type, torch.bfloat16):
        began = time.perf_counter()
        error = relative_error(compiled(*inputs), exact)
        first_seconds = time.perf_counter() - began
        seconds, eager_seconds, prepared_seconds = seconds_of(
            lambda: compiled(*inputs),
            lambda: net(*inputs),
            lambda: prepared(*inputs),
            device=device,
        )
    return {
        "first_seconds": first_seconds,
        "seconds": seconds,
        "eager_seconds": eager_seconds,
        "prepared_seconds": prepared_seconds,
        "error": error,
    }


if __name__ == "__main__":
    device = torch.device(sys.argv[1])
    use_device(device)
    print(json.dumps(trial(device)))
