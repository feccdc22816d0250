"""Tensors that load as plain weights and still mean harm: no values, endless sizes, odd types."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from importing.small_checkpoints import make_model, save, system_state, write_recipe
from torch import Tensor

from registry.errors import UserError
from uss_plugins.separation.importing.accounts import Accounts
from uss_plugins.separation.importing.folders import import_checkpoint
from uss_plugins.separation.importing.kernels import drop_smoothing
from uss_plugins.separation.importing.recognise import SCORER
from uss_plugins.weights.reading import Checkpoint

FC, STFT = "query_net.base.fc1.weight", "ss_model.base.stft.conv_real.weight"
BOX = f"{SCORER}.smooth_filter"

NO_NUMBERS = {
    "without values": lambda value: torch.empty(value.shape, device="meta"),
    "8 bits": lambda value: value.to(torch.float8_e4m3fn),
    "complex": lambda value: value.to(torch.complex64),
    "quantised": lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore:.*quantiz:UserWarning", "ignore:.*quantiz:DeprecationWarning")
@pytest.mark.parametrize("name", NO_NUMBERS)
@pytest.mark.parametrize("key", [FC, STFT])
def test_what_are_no_plain_numbers(key: str, name: str, tmp_path: Path) -> None:
    state = system_state(make_model())
    file = save(tmp_path / "some.ckpt", {**state, key: NO_NUMBERS[name](state[key].contiguous())})
    with pytest.raises(UserError) as caught:
        import_checkpoint(file, tmp_path / "model", recipe=write_recipe(tmp_path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_a_shape_without_memory_behind_it(tmp_path: Path) -> None:
    """Four bytes that say they are four terabytes."""
    endless = torch.ones(1).expand(10**6, 10**6)
    file = save(tmp_path / "some.ckpt", {**system_state(make_model()), FC: endless})
    with pytest.raises(UserError, match=r"is \(1000000, 1000000\), which no"):
        import_checkpoint(file, tmp_path / "model", recipe=write_recipe(tmp_path))


@pytest.mark.parametrize(
    "box",
    [
        torch.ones(1).expand(1, 1, 10**12),
        torch.ones(1, 1, 0),
        torch.ones(()),
        torch.full((1, 1, 201), torch.nan),
        torch.full((1, 1, 201), 1 / 200),
        torch.full((1, 201), 1 / 201),
    ],
)
def test_a_box_filter_that_is_none(box: Tensor) -> None:
    accounts = Accounts(Checkpoint(Path("some.ckpt"), {BOX: box}, ()))
    with pytest.raises(UserError, match="smooth_filter"):
        drop_smoothing(accounts, SCORER)


def test_the_released_box_filter_is_left_out() -> None:
    accounts = Accounts(Checkpoint(Path("a.ckpt"), {BOX: torch.full((1, 1, 201), 1 / 201)}, ()))
    drop_smoothing(accounts, SCORER)
    accounts.settle()
