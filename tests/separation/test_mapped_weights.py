"""Weights that stay in their file until they are used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from uss_plugins.separation.folder import load_weights, save_weights

LARGE_FEATURES = 4096
LARGE_KILOBYTES = LARGE_FEATURES**2 * 4 // 1024


def linear(seed: int, features: int = 3) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(features, features)


class Tied(nn.Module):
    """Two layers of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = linear(1), linear(2)
        self.second.weight = self.first.weight


MEASURE = """
import sys
from pathlib import Path
from torch import nn
from uss_plugins.separation.folder import load_weights

def own_kilobytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("RssAnon")))

layers = [nn.Linear(8, 8)]  # whatever torch sets up at first
before = own_kilobytes()
for mapped in (True, False):
    layers.append(nn.Linear(int(sys.argv[2]), int(sys.argv[2])))
    load_weights(layers[-1], Path(sys.argv[1]), mapped=mapped)
    print(own_kilobytes() - before)
"""


def test_large_weights_take_no_memory_before_they_are_used(tmp_path: Path) -> None:
    """In a process of its own, whose allocator has nothing to spare."""
    path = tmp_path / "weights"
    save_weights(linear(1, LARGE_FEATURES), path)
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, path, str(LARGE_FEATURES)],
        capture_output=True,
        text=True,
        check=True,
    )
    mapped, with_copy = map(int, measured.stdout.split())
    assert mapped < LARGE_KILOBYTES // 8
    assert with_copy - mapped > LARGE_KILOBYTES * 7 // 8


@pytest.mark.parametrize("removed", [True, False])
def test_the_file_may_be_replaced_or_removed(tmp_path: Path, removed: bool) -> None:
    path, layer = tmp_path / "weights", linear(2)
    save_weights(linear(1), path)
    layer.weight.requires_grad_(False)
    load_weights(layer, path, mapped=True)
    if removed:
        path.unlink()
    else:
        save_weights(linear(3), path)
    assert torch.equal(layer.weight, linear(1).weight)
    assert (layer.weight.requires_grad, layer.bias.requires_grad) == (False, True)


def test_what_is_changed_is_not_changed_in_the_file(tmp_path: Path) -> None:
    path, layer = tmp_path / "weights", linear(2)
    save_weights(linear(1), path)
    written = path.read_bytes()
    load_weights(layer, path, mapped=True)
    optimiser = torch.optim.SGD(layer.parameters(), 0.1)
    layer(torch.ones(3)).sum().backward()
    optimiser.step()
    assert not torch.equal(layer.weight, linear(1).weight)
    assert path.read_bytes() == written


def test_what_is_one_tensor_under_two_names_stays_one(tmp_path: Path) -> None:
    path, module = tmp_path / "weights", Tied()
    state = {key: value.clone() for key, value in module.state_dict().items()}
    state["second.weight"] = state["first.weight"] = torch.full((3, 3), 7.0)
    save_file({key: value.clone() for key, value in state.items()}, path)
    load_weights(module, path, mapped=True)
    assert module.first.weight is module.second.weight
    assert torch.equal(module.first.weight, state["first.weight"])


def test_weights_of_another_type_get_the_modules(tmp_path: Path) -> None:
    path, layer = tmp_path / "weights", linear(2)
    save_weights(linear(1).half(), path)
    load_weights(layer, path, mapped=True)
    assert layer.weight.dtype == torch.float32
    assert torch.equal(layer.weight, linear(1).weight.half().float())
