"""The comparison with the plain system: what is timed, counted and said."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from uss_plugins.benchmarking.measures import giga_macs
from uss_plugins.separators.resunet import resunet_small

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CPU = torch.device("cpu")


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of `benchmarks/speed`, by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: importlib.import_module(f"speed.{name}")


def test_calls_are_timed_in_turns_after_the_warm_up(
    speed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, order = 0.0, []
    durations = {"a": iter([100.0, 5.0, 1.0, 2.0]), "b": iter([50.0, 4.0, 3.0, 9.0])}

    def call(name: str) -> None:
        nonlocal clock
        order.append(name)
        clock += next(durations[name])

    monkeypatch.setattr(time, "perf_counter", lambda: clock)
    found = speed("timing").seconds_of(lambda: call("a"), lambda: call("b"), device=CPU)
    assert found == [2.0, 4.0]
    assert order == ["a", "b"] * 4


def small_separator(condition_size: int) -> Any:
    torch.manual_seed(0)
    return resunet_small(
        condition_size=condition_size, stage_channels=(4, 4), window_size=256, hop_size=64
    ).eval()


@pytest.fixture
def segments(speed: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The rows of a segment, with a small separator and small matrices."""
    module = speed("segments")
    monkeypatch.setattr(module, "make_separator", small_separator)
    monkeypatch.setattr(module, "RATE", 400)
    monkeypatch.setattr(module, "PRODUCTS", ((8, 8, 8), (16, 4, 8)))
    monkeypatch.setattr(module, "LEAST_MACS", 1024)
    return module


def test_a_segment_counts_the_modules_own_operations(segments: Any) -> None:
    row = segments.segment_row(torch.float32, CPU)
    net, inputs = small_separator(527), (torch.randn(1, 1, 4000), torch.rand(1, 527))
    with torch.no_grad():
        assert row["giga_macs"] == pytest.approx(giga_macs(lambda: net(*inputs)))
    assert row["giga_macs_per_second"] == row["giga_macs"] / row["seconds"]
    assert row["times"] == row["plain_seconds"] / row["seconds"]


def test_a_segment_says_how_far_all_three_forms_are_apart(segments: Any) -> None:
    exact, rounded = (segments.segment_row(one, CPU) for one in (torch.float32, torch.bfloat16))
    assert 0 < exact["error"] < 1e-5
    assert 0 < exact["error_to_plain"] < 1e-5
    assert 0 < exact["plain_error"] == rounded["plain_error"] < 1e-5
    assert 1e-4 < rounded["error_to_plain"] < 5e-2
    assert rounded["error_to_plain"] == pytest.approx(rounded["error"], rel=0.01)


def test_products_of_several_shapes_are_timed_where_their_rate_is_compared(segments: Any) -> None:
    assert "matrix_giga_macs_per_second" not in segments.segment_row(torch.float32, CPU)
    rates = segments.segment_row(torch.bfloat16, CPU)["matrix_giga_macs_per_second"]
    assert rates.keys() == {"8 x 8 x 8", "16 x 4 x 8"}
    assert min(rates.values()) > 0


def test_a_small_product_is_repeated(segments: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(segments, "multiply", lambda *arguments: calls.append(arguments[-1]))
    (small, done), (other, more) = segments.matrix_products(CPU).values()
    small(), other()
    assert calls == [2, 2]
    assert done == more == 1024e-9


SIDES = {"plain_seconds": 6.0, "seconds": 2.0, "times": 3.0}
ERRORS = {"error": 9.6e-3, "error_to_plain": 9.7e-3, "plain_error": 1e-6}
RATES = {"1 x 1 x 1": 300.0, "2 x 2 x 2": 500.0}
FOUND = {
    "bf16": {**SIDES, **ERRORS, "giga_macs_per_second": 400, "matrix_giga_macs_per_second": RATES},
    "training_plain": {"seconds": 8.0},
    "training": {"seconds": 2.0},
    "quality": {"difference_db": 0.0123},
}


def test_the_table_has_a_line_for_all_that_was_measured(speed: Any) -> None:
    lines = speed("table").table(FOUND).splitlines()[2:]
    segment, training, share = lines
    assert "3.00x (6 s plain, 2 s ours), error 9.6e-03, against the plain one 9.7e-03" in segment
    assert "0.012 dB SDRi" in segment
    assert "| 2x | 4.00x (8 s plain, 2 s ours) |" in training
    assert "80% (400 of 500 GMAC/s, of 2 x 2 x 2)" in share, "of the best rate, not of the first"
    halves = {"training": FOUND["training"]}
    assert len(speed("table").table(halves).splitlines()) == 2


def test_the_table_tells_what_compiling_costs(speed: Any) -> None:
    trial = {"seconds": 0.9, "eager_seconds": 1.1, "prepared_seconds": 0.5}
    compiled = {"cold": {**trial, "first_seconds": 70}, "warm": {**trial, "first_seconds": 20}}
    *_, line = speed("table").table({"compile": compiled}).splitlines()
    assert (
        "first call 70 s, with a warm cache 20 s; then 0.9 s (eager 1.1 s, prepared 0.5 s)" in line
    )


def test_a_trial_of_compiling_compares_the_forms(
    speed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = speed("compiling")
    monkeypatch.setattr(module, "make_separator", small_separator)
    monkeypatch.setattr(module, "RATE", 400)
    monkeypatch.setattr(
        torch, "compile", lambda net, dynamic: net.forward
    )  # a compiler takes minutes
    found = module.trial(CPU)
    assert found.keys() == {
        *("first_seconds", "seconds", "eager_seconds", "prepared_seconds", "error")
    }
    assert 1e-4 < found["error"] < 5e-2


@pytest.mark.parametrize("rows", ["bf17", "fp32,,bf16"])
def test_a_row_that_is_none_is_refused(rows: str) -> None:
    script = BENCHMARKS / "separation_speed.py"
    done = subprocess.run(
        [sys.executable, script, "--rows", rows], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--rows: there is no" in done.stderr.splitlines()[-1]
    assert "give some of fp32, bf16, default" in done.stderr.splitlines()[-1]
