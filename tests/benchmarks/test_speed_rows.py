"""The rows over recordings and training steps run, with networks that take no time."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.labels.audioset import classes
from uss_plugins.query_nets.panns_network import Panns
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separators.resunet import resunet_small

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RATE, CPU = 8000, torch.device("cpu")


def make_model(device: torch.device) -> UniversalSeparator:
    """AudioSet's classes, a rate and widths that nobody would separate with."""
    torch.manual_seed(0)
    names = tuple(one.name for one in classes())
    return UniversalSeparator(
        Panns(RATE, names, channels=(4, 8), mel_size=16),
        SoftEmbedding(len(names)),
        resunet_small(
            condition_size=len(names),
            sample_rate=RATE,
            stage_channels=(4, 4),
            window_size=256,
            hop_size=128,
        ),
        class_ids=[one.machine_id for one in classes()],
    ).eval()


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of `benchmarks/speed` by name, with those networks."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def module(name: str) -> Any:
        found = importlib.import_module(f"speed.{name}")
        monkeypatch.setattr(found, "make_model", make_model)
        monkeypatch.setattr(found, "RATE", RATE)
        return found

    return module


@pytest.mark.parametrize("bank", [True, False])
def test_one_class_of_a_recording(rows: Any, bank: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a bank ours never listens; the plain side always does."""
    heard: list[int] = []
    listen = UniversalSeparator.listen
    monkeypatch.setattr(
        UniversalSeparator, "listen", lambda model, audio: heard.append(0) or listen(model, audio)
    )
    row = rows("recordings").default_row(CPU, bank=bank)
    assert row["times"] == row["plain_seconds"] / row["seconds"] > 0
    assert bool(heard) is not bank


def test_the_walk_is_multiplied_from_its_parts(rows: Any) -> None:
    row = rows("recordings").walk_row(CPU)
    separating, tagging = row["plain_separating_seconds"], row["plain_tagging_seconds"]
    assert row["nodes_in_tree"] == 299
    assert row["estimates"] <= 30 * row["active_nodes"] == 1200
    assert row["plain_seconds"] == pytest.approx(30 * (40 * separating + 259 * tagging))


@pytest.mark.parametrize("mine", [True, False])
def test_a_training_step(rows: Any, mine: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps freed memory would hold for all other tests."""
    module, kept = rows("training"), []
    monkeypatch.setattr(module, "keep_freed_memory", lambda: kept.append(True))
    assert module.training_row(CPU, mine=mine)["seconds"] > 0
    assert bool(kept) is mine
