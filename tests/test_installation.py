"""The project as it is installed: its requirements agree, and its wheel holds all that it needs."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest
from project_wheel import ROOT, build_project_wheel, run

LOAD = """
import json, sys
import registry, uss_plugins
from registry import load_plugins
plugins = load_plugins()
print(json.dumps({
    "files": [registry.__file__, uss_plugins.__file__],
    "components": [[spec.kind, spec.name] for spec in plugins.specs()],
    "broken": [str(broken) for broken in plugins.broken],
    "torch": "torch" in sys.modules,
}))
"""


def run_python(*arguments: str | Path, path: Path | None = None) -> str:
    """What a fresh interpreter prints, outside the source tree."""
    return run(sys.executable, *arguments, cwd=path, path=path)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources."""
    return build_project_wheel(tmp_path_factory.mktemp("wheel"))


def test_installed_requirements_agree() -> None:
    assert "No broken requirements found" in run_python("-m", "pip", "check")


def test_the_wheel_holds_every_module_the_data_and_the_entry_points(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = (name for name in names if name.endswith("/entry_points.txt"))
        declared = archive.read(entry_points).decode()
    needed = {
        path.relative_to(ROOT).as_posix()
        for package in ("registry", "uss_plugins")
        for pattern in ("*.py", "py.typed", "*.tsv", "*.csv", "*.template")
        for path in (ROOT / package).rglob(pattern)
    }
    assert {"registry/py.typed", "uss_plugins/py.typed"} <= needed
    assert "uss_plugins/labels/audioset.tsv" in needed
    assert any("/scaffold/templates/" in name for name in needed)
    assert needed <= names
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {
        "registry",
        "uss_plugins",
    }
    assert any(name.endswith("/LICENSE") for name in names)
    lines = declared.splitlines()
    assert "uss-plugins = uss_plugins.cli:main" in lines
    assert "builtin = uss_plugins.builtin" in lines


def test_components_are_found_in_the_unpacked_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    found = json.loads(run_python("-c", LOAD, path=tmp_path))
    assert all(file.startswith(f"{tmp_path}/") for file in found["files"])
    assert found["broken"] == []
    assert not found["torch"]
    components = [tuple(component) for component in found["components"]]
    assert {
        ("query_net", "cnn14_decision_level_max"),
        ("embedding", "learnable"),
        ("separator", "resunet30"),
        ("corpus", "synthetic"),
    } <= set(components)
    assert len(components) == len(set(components))
