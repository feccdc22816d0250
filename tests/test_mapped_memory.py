"""Memory of weights in a file: given back once they have been read, and no value lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from uss_plugins.mapped_memory import MAPS

SIZE = 2048
KILOBYTES = SIZE * SIZE * 4 // 1024
PROGRAM = """
import sys
from pathlib import Path
import torch
from torch import nn
from uss_plugins.mapped_memory import let_go
from uss_plugins.separation.folder import load_weights, save_weights

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))

path, size = Path(sys.argv[1]), int(sys.argv[2])
torch.manual_seed(0)
layer = nn.Linear(size, size)
save_weights(layer, path)
exact = layer.weight.detach().clone()
load_weights(layer, path, mapped=True)
with torch.no_grad():
    layer.weight[size // 2] += 1
    exact[size // 2] += 1
assert torch.equal(layer.weight, exact)
before = resident()
let_go(layer.parameters())
print(before - resident())
assert torch.equal(layer.weight, exact)
own = nn.Linear(size, size)
held = resident()
let_go(own.parameters())  # of no file
print(held - resident())
"""


@pytest.mark.skipif(not MAPS.exists(), reason="memory is given back on Linux only")
def test_what_is_in_a_file_is_given_back_and_read_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "weights", str(SIZE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    given_back, of_own = map(int, done.stdout.split())
    assert given_back > KILOBYTES * 3 // 4  # not the pages around what was changed
    assert of_own < KILOBYTES // 8
