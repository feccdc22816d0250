"""The guide for authors of plug-ins is true: every block runs, as do the commands that it begins with."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from project_wheel import Environment, build_project_wheel, run

from registry import Plugins, load_plugins
from registry.conformance import CHECKS, examine
from registry.contracts import COMPOSED_PARAMETERS
from registry.hookspecs import HOOKS

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "registry" / "README.md").read_text(encoding="utf-8")
PAGES = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", GUIDE, re.M | re.S))
COMPONENTS = {
    "A query net": ("query_net", "Loudness"),
    "An embedding strategy": ("embedding", "Sharpened"),
    "A separator": ("separator", "Gated"),
    "A corpus": ("corpus", "Tones"),
}
FEW_STEPS = "recipe: {tagger: {steps: 2, validate_every: 2}, evaluation: {pairs_per_class: 1}}\n"

pytest_plugins = ["registry.conformance.pytest_plugin"]


def blocks(page: str, language: str) -> list[str]:
    return [
        str(body) for body in re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.M | re.S)
    ]


@pytest.mark.parametrize("page", COMPONENTS)
def test_a_page_has_a_component_that_keeps_its_contract(page: str) -> None:
    kind, name = COMPONENTS[page]
    (block,) = blocks(page, "python")
    namespace: dict[str, object] = {"__name__": "guide"}
    exec(block, namespace)  # it asserts by itself that it passes
    outcomes = list(examine(kind, namespace[name]))  # type: ignore[arg-type]
    assert [outcome.reason for outcome in outcomes if outcome.status != "passed"] == []


def test_every_block_of_python_is_run_by_a_test() -> None:
    run = {*COMPONENTS, "How a component is found", "What is checked"}
    assert {page for page in PAGES if blocks(page, "python")} == run


def test_the_hook_registers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (hook,) = blocks("How a component is found", "python")
    (entry_points,) = blocks("How a component is found", "toml")
    metadata = tmp_path / "my_net-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-net\nVersion: 1.0\n")
    declared = entry_points.replace("project.entry-points.", "").replace('"', "")
    (metadata / "entry_points.txt").write_text(declared)
    (tmp_path / "my_net.py").write_text(hook)
    monkeypatch.syspath_prepend(tmp_path)
    plugins: Plugins = load_plugins({})
    spec = plugins.find("separator", "my_net")
    sys.modules.pop("my_net")
    assert spec.factory == "my_net.separator:MyNetSeparator"
    assert str(spec.source) == "plug-in 'my_net' of my-net 1.0"


def test_the_fixture_is_used_as_shown(check_component: object) -> None:
    (block,) = blocks("What is checked", "python")
    namespace: dict[str, object] = {}
    exec(block, namespace)
    namespace["test_it_keeps_its_contract"](check_component)  # type: ignore[operator]


def test_the_tables_have_every_check_hook_and_filled_in_parameter() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGES["What is checked"], re.M)) == set(CHECKS)
    table = PAGES["How a component is found"]
    for kind, hook in HOOKS.items():
        (row,) = re.findall(rf"^\|.*`{hook}` \|$", table, re.M)
        assert all(f"`{name}`" in row for name in COMPOSED_PARAMETERS[kind])


def test_the_commands_lead_to_a_figure(tmp_path: Path) -> None:
    """As shown, beside a wheel of this project; pip without its index, the grid cut to some steps."""
    environment = Environment.make(tmp_path / "environment", build_project_wheel(tmp_path))
    page = PAGES["From nothing to a figure"]
    (commands,) = blocks("From nothing to a figure", "sh")
    new, install, check, benchmark = (
        line.partition("#")[0].split()[1:] for line in commands.splitlines()
    )
    environment.cli(*new, cwd=tmp_path)
    (edited,) = re.findall(r"`my-net/(src/\S+)`", page)
    (size,) = re.findall(r"such as `(\w+)`", page)
    assert f"{size}: int = " in (tmp_path / "my-net" / edited).read_text()

    offline = ["--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "--python", environment.python]
    run(*pip, *install, *offline, cwd=tmp_path)
    assert environment.cli(*check, cwd=tmp_path).endswith("1 passed, 0 failed\n")

    grid = tmp_path / "my-net" / "grid.yaml"
    grid.write_text(grid.read_text().replace("steps: 100", "steps: 4") + FEW_STEPS)
    table = environment.cli(*benchmark, cwd=tmp_path)
    assert "my_net" in table
    (row,) = json.loads((tmp_path / "exp" / "my-net" / "grid.json").read_text())["rows"]
    assert (row["state"], row["figures"]["steps"]) == ("done", 4)
