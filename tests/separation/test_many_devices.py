"""GPUs of workers and of launched processes."""

from __future__ import annotations

import pytest

from uss_plugins.launched import Place
from uss_plugins.separation.many.devices import device_for


def test_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [device_for("cuda", worker, Place()) for worker in range(3)] == [
        "cuda:0",
        "cuda:1",
        "cuda:0",
    ]
    assert device_for("cuda", 0, Place(5, 8, 1)) == "cuda:1"
    assert device_for("cuda:0", 1, Place(5, 8, 1)) == "cuda:0"
    assert device_for("cpu", 1, Place(5, 8, 1)) == "cpu"
