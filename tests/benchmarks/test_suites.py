"""The suites in `benchmarks/`, run as `make bench` runs them, with somebody else's components installed."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from distributions import install
from plugin_distributions import DISTRIBUTIONS
from project_wheel import outer_environment
from third_party import DISTRIBUTION, SEPARATOR_RATE

ROOT = Path(__file__).parents[2]
BROKEN = next(one for one in DISTRIBUTIONS if one.name == "raising-nets")
TWINS = tuple(one for one in DISTRIBUTIONS if one.name.startswith("twin-"))
CONDITION_SIZE, SECONDS = 527, 0.5

SUITES = {
    "bench_separators.py::test_forward": "separator",
    "bench_training_step.py::test_separator_step": "separator",
    "bench_separation.py::test_separation": "separator",
    "bench_query_nets.py::test_forward": "query_net",
    "bench_training_step.py::test_query_net_step": "query_net",
    "bench_mining.py::test_mining": "query_net",
    "bench_embeddings.py::test_forward": "embedding",
    "bench_corpora.py::test_clip": "corpus",
}
"""Benchmark -> the kind whose components it runs over."""

COSTS = {
    "separator forward": "tp_conv",
    "training step, separator": "tp_conv",
    "whole separation, one class, file to file": "tp_conv",
    "query net forward": "tp_ear",
    "training step, query net": "tp_ear",
    "mining anchors": "tp_ear",
    "embedding forward": "tp_first",
    "corpus, one clip": "tp_beeps",
}
"""Table -> what of the third party's is in it."""

LIST_REGISTERED = """
import json
from registry import load_plugins
from registry.hookspecs import HOOKS
plugins = load_plugins()
print(json.dumps({
    kind: [spec.name for spec in plugins.specs(kind)]
    + [claims[0].name for claims in plugins.collisions(kind)]
    for kind in HOOKS
}))
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Result = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Python in the source tree, with the third party's distribution, a broken one and two at odds."""
    folder = tmp_path_factory.mktemp("benchmarks")
    site = install(folder / "installed", DISTRIBUTION, BROKEN, *TWINS)

    def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**outer_environment(), "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
        )

    return python


def bench(run: Run, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The suites as `make bench` has them run."""
    sizes = [f"--audio-seconds={SECONDS}", "--enough-seconds=0.05"]
    options = ["--benchmark-only", "--benchmark-quiet", *sizes]
    return run("-m", "pytest", "benchmarks", "-n", "0", *options, *arguments)


@pytest.fixture(scope="module")
def result(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """What a run over the third party's components and one process prints, and its JSON."""
    path = tmp_path_factory.mktemp("result") / "costs.json"
    done = bench(run, "-k", "tp_ or twin or alone", f"--benchmark-json={path}")
    assert done.returncode == 1, done.stdout + done.stderr  # one of them fails on purpose
    return done.stdout, json.loads(path.read_text(encoding="utf-8"))


def cost_of(result: Result, group: str, what: str) -> dict[str, Any]:
    """The only cost of that name in a table."""
    benchmarks = [one for one in result[1]["benchmarks"] if one["group"] == group]
    (found,) = (one["extra_info"] for one in benchmarks if one["extra_info"]["what"] == what)
    assert isinstance(found, dict)
    return found


def test_every_suite_runs_over_every_registered_component(run: Run) -> None:
    registered = json.loads(run("-c", LIST_REGISTERED).stdout)
    assert "tp_conv" in registered["separator"]
    done = run("-m", "pytest", "benchmarks", "-n", "0", "--collect-only", "-q")
    collected = defaultdict(list)
    for test, name in re.findall(r"^benchmarks/(.*)\[(.*)\]$", done.stdout, re.MULTILINE):
        collected[test].append(name)
    for test, kind in SUITES.items():
        assert sorted(collected[test]) == sorted(registered[kind]), test


@pytest.mark.parametrize("group", COSTS)
def test_what_a_cost_says(result: Result, group: str) -> None:
    cost = cost_of(result, group, COSTS[group])
    assert cost["source"] == "third-party-sounds 2.5"
    assert cost["real_time_factor"] == cost["seconds"] / cost["audio_seconds"] > 0
    assert cost["peak_memory_bytes"] > cost["added_memory_bytes"] >= 0
    assert isinstance(cost["settings"], dict)
    if cost["kind"] == "corpus":
        assert cost["parameter_count"] is cost["giga_macs_per_second"] is None
    else:
        assert cost["parameter_count"] >= 0
        assert cost["giga_macs_per_second"] >= 0


def test_the_seconds_are_the_benchmarks_median(result: Result) -> None:
    for one in result[1]["benchmarks"]:
        assert one["extra_info"]["seconds"] == one["stats"]["median"]


def test_parameters_and_operations_are_those_of_the_component(result: Result) -> None:
    cost = cost_of(result, "separator forward", "tp_conv")
    assert cost["audio_seconds"] == SECONDS
    assert cost["parameter_count"] == (5 * 4 + 4) + (CONDITION_SIZE * 4 + 4) + (4 + 1)
    macs = SEPARATOR_RATE * SECONDS * (5 * 4 + 4) + CONDITION_SIZE * 4
    assert cost["giga_macs_per_second"] == pytest.approx(macs / SECONDS / 1e9)


def test_a_training_step_counts_the_way_back(result: Result) -> None:
    forward = cost_of(result, "separator forward", "tp_conv")["giga_macs_per_second"]
    step = cost_of(result, "training step, separator", "tp_conv")["giga_macs_per_second"]
    assert step > 1.5 * forward


def test_a_process_is_measured_with_its_own_memory_alone(result: Result) -> None:
    cost = cost_of(result, "start-up, whole process", "python alone")
    assert cost["seconds"] > 0
    assert 1e6 < cost["peak_memory_bytes"] < 100e6  # this process has torch in it, and more


@pytest.mark.parametrize(
    ("which", "nodes", "seconds"), [("released_tree", 299, 2.0), ("graph", 319, SECONDS)]
)
def test_the_walk_counts_what_the_model_listens_to(
    run: Run, tmp_path: Path, which: str, nodes: int, seconds: float
) -> None:
    path = tmp_path / "costs.json"
    done = bench(run, "-k", which, f"--benchmark-json={path}")
    assert done.returncode == 0, done.stdout
    (walk,) = json.loads(path.read_text())["benchmarks"]
    figures = walk["extra_info"]["figures"]
    assert figures["nodes"] == nodes
    assert figures["tagger_segments"] == figures["tagger_calls"] == 1
    assert figures["tagger_audio_seconds"] == seconds  # the released system fills its segments
    assert walk["extra_info"]["audio_seconds"] == SECONDS


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        (["MODEL=a model"], ' --output "out" --device cpu --model "a model"'),
        (["DEVICE=cuda"], ' --output "out" --device cuda'),
    ],
    ids=["with", "without"],
)
def test_make_bench_measures_a_given_model(given: list[str], arguments: str) -> None:
    """The quality of bf16 needs a trained one."""
    environment = {k: v for k, v in outer_environment().items() if not k.startswith("MAKE")}
    printed = subprocess.run(
        ["make", "--dry-run", "bench", "BENCH_DIR=out", *given],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (line,) = (one for one in printed.splitlines() if "separation_speed.py" in one)
    assert line.partition("separation_speed.py")[2].rstrip() == arguments


def test_the_machine_and_the_versions_are_told_without_its_name(result: Result) -> None:
    machine = result[1]["machine_info"]
    assert machine["processor"]
    assert machine["threads"] >= 1
    assert machine["memory_bytes"] > 0
    assert {"python", "torch", "uss-plugins"} <= set(machine["versions"])
    assert any("third-party-sounds 2.5" in plugin for plugin in machine["plugins"])
    assert platform.node() not in json.dumps(result[1])


@pytest.mark.parametrize(
    "reason",
    [
        "separator 'tp_needy' (separator forward): .*parameter 'width' (int) is missing",
        "separator 'tp_hungry' (separator forward): needs more memory than is free",
        "separator 'tp_missing' (separator forward): .*third_party_sounds_nets_missing",
        "separator 'tp_faulty' (separator forward): fails: .*ZeroDivisionError",
        "separator 'twin' (separator forward): .*claimed by plug-in 'a' of twin-a",
        "plug-in 'raising' of raising-nets 0.3: RuntimeError: no licence found",
    ],
)
def test_what_is_not_measured_is_named_with_the_reason(result: Result, reason: str) -> None:
    printed, stored = result
    pattern = re.escape(reason).replace(re.escape(".*"), ".*")
    (line,) = (one for one in stored["not_measured"] if re.match(pattern, one))
    assert f"- {line}" in printed


def test_the_tables_are_printed_and_again_from_the_json(
    result: Result, run: Run, tmp_path: Path
) -> None:
    printed, stored = result
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(stored), encoding="utf-8")
    first, *tables = run("benchmarks/cost_tables.py", path).stdout.strip().split("\n\n")
    assert stored["machine_info"]["processor"] in first
    assert "\n\n".join(tables) in printed
    (table,) = (one for one in tables if one.startswith("| separator forward "))
    (row,) = (line for line in table.splitlines() if line.startswith("| tp_conv "))
    cost = cost_of(result, "separator forward", "tp_conv")
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:4] == ["tp_conv", "third-party-sounds 2.5", "0.00214", "0.000196"]
    assert float(cells[4]) == pytest.approx(1e3 * cost["seconds"], rel=0.01)


def test_a_parameter_that_is_set_reaches_the_component(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    chosen = ["-k", "tp_needy and bench_separators", "--set", "separator.tp_needy.width=6"]
    done = bench(run, *chosen, f"--benchmark-json={path}")
    assert done.returncode == 0, done.stdout
    assert "| tp_needy " in path.with_suffix(".md").read_text(encoding="utf-8")
    cost = cost_of(("", json.loads(path.read_text())), "separator forward", "tp_needy")
    assert cost["settings"]["width"] == 6
    assert cost["parameter_count"] == (5 * 6 + 6) + (CONDITION_SIZE * 6 + 6) + (6 + 1)


def test_a_parameter_of_no_component_is_refused(run: Run) -> None:
    done = bench(run, "--set", "separator.tp_cnov.width=6")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no separator 'tp_cnov' is registered; did you mean tp_conv" in done.stderr
