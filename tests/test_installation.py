"""The project as it is installed: its requirements agree, and its wheel holds all that it needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "registry", "uss_plugins")

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
    environment = {**os.environ, "PYTHONPATH": str(path or "")}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    run_python("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source)
    (built,) = folder.glob("*.whl")
    return built


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
        for pattern in ("*.py", "py.typed", "*.tsv", "*.csv")
        for path in (ROOT / package).rglob(pattern)
    }
    assert {"registry/py.typed", "uss_plugins/py.typed"} <= needed
    assert "uss_plugins/labels/audioset.tsv" in needed
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
