"""What gives a grid's work another folder: components that are edited, other anchors to judge by."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from benchmarking.small_grid import write_grid
from distributions import Distribution, install

from uss_plugins.benchmarking.grid import load_grid
from uss_plugins.benchmarking.identity import in_words
from uss_plugins.benchmarking.plan import plan_grid
from uss_plugins.benchmarking.work import phases_of

CODE = '''
"""Two components."""
from registry import hookimpl
from uss_plugins.query_nets.panns import cnn_small
from uss_plugins.separators.resunet import resunet_small


def ears(class_names, sample_rate: int = 8000, hearing_size: int = 4):
    sizes = {"channels": [4, hearing_size], "high_frequency": 4000.0}
    return cnn_small(class_names=class_names, sample_rate=sample_rate, **sizes)


def hands(condition_size: int, sample_rate: int = 8000, hand_size: int = 4):
    sizes = {"stage_channels": (4, hand_size), "window_size": 256, "hop_size": 128}
    return resunet_small(condition_size=condition_size, sample_rate=sample_rate, **sizes)


@hookimpl
def register_query_nets(register):
    register("ears", "ears_and_hands:ears", summary="hears")


@hookimpl
def register_separators(register):
    register("hands", "ears_and_hands:hands", summary="separates")
'''
PHASES = ("corpus", "tagger", "anchors", "mixtures", "cell")


def works_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str, version: str = "0.1"
) -> dict[str, str]:
    """Kind of work -> its folder's name in a grid of one cell, with `code` installed."""
    modules = {"ears_and_hands.py": code}
    plugin = Distribution("ears-and-hands", version, modules, {"ears": "ears_and_hands"})
    site = install(tmp_path / name, plugin)
    components = {"query_nets": ["ears"], "separators": ["hands"], "embeddings": ["soft"]}
    with monkeypatch.context() as patch:
        patch.syspath_prepend(site)
        importlib.invalidate_caches()
        patch.delitem(sys.modules, "ears_and_hands", raising=False)
        plan = plan_grid(load_grid(write_grid(tmp_path, **components)))
        phases = phases_of(plan, tmp_path / "exp")
    return {kind: works[0].folder.name for kind, works in zip(PHASES, phases, strict=True) if works}


@pytest.mark.parametrize(
    ("before", "after", "version", "others"),
    [
        ("hand_size: int = 4", "hand_size: int = 8", "0.1", {"cell"}),
        ("hearing_size: int = 4", "hearing_size: int = 8", "0.1", {"tagger", "anchors", "cell"}),
        ("", "", "0.2", {"tagger", "anchors", "cell"}),
        ("Two components.", "A pair of components.", "0.1", set()),
    ],
)
def test_an_edited_component_gets_folders_of_its_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: str,
    after: str,
    version: str,
    others: set[str],
) -> None:
    first = works_with(tmp_path, monkeypatch, "first", CODE)
    second = works_with(tmp_path, monkeypatch, "second", CODE.replace(before, after), version)
    assert first.keys() == second.keys() == {"tagger", "anchors", "mixtures", "cell"}
    assert {kind for kind in first if first[kind] != second[kind]} == others


@pytest.mark.parametrize(
    ("default", "words"),
    [
        (4, "4"),
        ((1.5, None), "(1.5, None)"),
        ({"Rain", "Bark", "Siren"}, "[\"'Bark'\", \"'Rain'\", \"'Siren'\"]"),
        (works_with, "<function works_with>"),
    ],
)
def test_defaults_are_the_same_words_in_every_process(default: object, words: str) -> None:
    assert in_words(default) == words


def test_cells_judged_by_others_anchors_are_other_cells(tmp_path: Path) -> None:
    def cells(query_nets: list[object]) -> dict[str, Path]:
        mined = {"evaluation": {"segments": "mined"}}
        grid = write_grid(tmp_path, query_nets=query_nets, embeddings=["soft"], recipe=mined)
        *_, works = phases_of(plan_grid(load_grid(grid)), tmp_path)
        return {work.name: work.folder for work in works}

    wide = {"name": "cnn_small", "label": "wide", "channels": [8, 8]}
    before, after = cells(["cnn_small", wide]), cells([wide, "cnn_small"])
    assert before.keys() == after.keys()
    assert set(before.values()).isdisjoint(after.values())
