"""What all suites share: components as parameters, the measure, the tables, and the JSON of a run.

A benchmark with an argument that is named like a kind of component (`separator`, `query_net`, `embedding`,
`corpus`) runs once for each installed component of that kind.
"""

from __future__ import annotations

from collections.abc import Generator
from os import PathLike
from pathlib import Path
from typing import Any

import pytest
import torch
from cost_tables import Cost, report, tables
from installed_components import Build
from machine_and_versions import machine_and_versions
from measuring import Measure, within_free_memory

from registry import ComponentSpec, UserError, load_plugins
from registry.hookspecs import HOOKS
from registry.plugins import describe_collision, described, one_line
from uss_plugins.recipe import apply_override

HERE = Path(__file__).parent
COSTS = pytest.StashKey[list[tuple[str, Cost]]]()
NOT_MEASURED = pytest.StashKey[list[str]]()
PARAMETERS = pytest.StashKey[dict[str, dict[str, dict[str, Any]]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where and on how much audio to measure, and with which parameters."""
    group = parser.getgroup("components")
    group.addoption("--device", default="cpu", help="cpu or cuda")
    group.addoption(
        "--audio-seconds",
        type=float,
        default=4.0,
        help="length of the audio that networks are measured on (default: 4)",
    )
    group.addoption(
        "--enough-seconds",
        type=float,
        default=2.0,
        help="how long a call is repeated to find its median; once at least (default: 2)",
    )
    group.addoption(
        "--set",
        action="append",
        default=[],
        metavar="KIND.NAME.PARAMETER=VALUE",
        help="a component's parameter, such as separator.resunet30.blocks_per_stage=2",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the components' parameters, and note the plug-ins that nothing can be measured of."""
    plugins = load_plugins()
    parameters: dict[str, Any] = {}
    if torch.device(config.getoption("--device")).index is not None:
        torch.cuda.set_device(config.getoption("--device"))  # the one that is waited for
    try:
        for override in config.getoption("--set"):
            apply_override(parameters, override)
        for kind, names in parameters.items():
            for name in names:
                plugins.find(kind, name)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[PARAMETERS] = parameters
    config.stash[COSTS] = []
    config.stash[NOT_MEASURED] = [f"{broken.plugin}: {broken.reason}" for broken in plugins.broken]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a benchmark for each component of the kind that an argument is named after."""
    plugins = load_plugins()
    for kind in set(HOOKS).intersection(metafunc.fixturenames):
        found = [pytest.param(spec, id=spec.name) for spec in plugins.specs(kind)]
        for claims in plugins.collisions(kind):
            skipped = pytest.mark.skip(reason=describe_collision(claims))
            found.append(pytest.param(claims[0], id=claims[0].name, marks=skipped))
        metafunc.parametrize(kind, found)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A component may warn: that is its author's business, and no reason not to measure it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Skip a component, with the reason, that cannot be built here or needs more memory than is free."""
    if not _component_of(pyfuncitem):
        return (yield)
    try:
        with within_free_memory(pyfuncitem.config.getoption("--device")):
            return (yield)
    except (UserError, ImportError) as error:
        pytest.skip(one_line(error))
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        pytest.skip(f"needs more memory than is free: {one_line(error)}")


def _is_out_of_memory(error: Exception) -> bool:
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "allocate memory" in str(error)


def _component_of(item: pytest.Item) -> ComponentSpec | None:
    """The component that an item measures."""
    arguments = (
        item.callspec.params
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else {}
    )
    return next((value for value in arguments.values() if isinstance(value, ComponentSpec)), None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Name what is not measured, with the reason."""
    report = yield
    if report.passed or not item.path.is_relative_to(HERE):
        return report
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
    else:
        reason = "fails: " + str(report.longrepr).strip().splitlines()[-1]
    group = item.get_closest_marker("benchmark")
    of = f" ({group.kwargs['group']})" if group and "group" in group.kwargs else ""
    spec = _component_of(item)
    what = described(spec.kind, spec.name) if spec else item.name
    item.config.stash[NOT_MEASURED].append(f"{what}{of}: {reason}")
    return report


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """Where networks are measured."""
    name: str = request.config.getoption("--device")
    return name


@pytest.fixture
def audio_seconds(request: pytest.FixtureRequest) -> float:
    """Length of the audio that networks are measured on."""
    seconds: float = request.config.getoption("--audio-seconds")
    return seconds


@pytest.fixture
def build(device: str, request: pytest.FixtureRequest) -> Build:
    """Builds components."""
    return Build(device, request.config.stash[PARAMETERS])


@pytest.fixture
def measure(
    benchmark: Any, device: str, request: pytest.FixtureRequest
) -> Generator[Measure, None, None]:
    """Measures a call; what it finds goes into the tables and the JSON."""
    config = request.config
    enough_seconds = config.getoption("--enough-seconds")
    yield Measure(benchmark, device, enough_seconds, config.stash[PARAMETERS])
    if benchmark.extra_info:
        config.stash[COSTS].append(
            (benchmark.group or request.node.path.stem, benchmark.extra_info)
        )


def pytest_benchmark_generate_machine_info() -> dict[str, Any]:
    """What the run was measured on and with."""
    return machine_and_versions()


def pytest_benchmark_generate_commit_info() -> dict[str, Any]:
    """Nothing: a result is committed after it was measured; its versions are with the machine."""
    return {}


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """What was not measured, and why; and the same as tables, beside the JSON."""
    output_json["not_measured"] = config.stash[NOT_MEASURED]
    given = config.getoption("benchmark_json")  # a path, and before pytest-benchmark 5.2 a file
    path = Path(given if isinstance(given, str | PathLike) else given.name).with_suffix(".md")
    path.write_text(report(output_json) + "\n", encoding="utf-8")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The tables of a run."""
    costs, not_measured = config.stash[COSTS], config.stash[NOT_MEASURED]
    if costs or not_measured:
        terminalreporter.section("costs")
        terminalreporter.write_line(tables(costs, not_measured))
