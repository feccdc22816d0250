"""Wheels built from sources without a download, and Python environments that hold what they are given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "registry", "uss_plugins")


def outer_environment() -> dict[str, str]:
    """The environment without what pytest tells its workers: a pytest within is none of them."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def run(*command: str | Path, cwd: Path | None = None, path: Path | None = None) -> str:
    """What a command prints. `path`: the PYTHONPATH it has; none of the caller's.

    Raises:
        AssertionError: it fails; with all that it printed.
    """
    done = subprocess.run(
        command,
        env={**outer_environment(), "PYTHONPATH": str(path or ""), "USS_PLUGINS_DISABLE": ""},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of a source tree, put into `folder`."""
    done = folder / "building"
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", done]
    run(sys.executable, *command, source, cwd=folder)
    (built,) = done.glob("*.whl")
    built = built.rename(folder / built.name)
    done.rmdir()
    return built


def build_project_wheel(folder: Path) -> Path:
    """The wheel of this project, built from a copy of its sources."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    return build_wheel(source, folder)


@dataclass(frozen=True)
class Environment:
    """A virtual environment: wheels of its own, and the dependencies of the Python that runs the tests."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, *wheels: Path) -> Environment:
        """Install wheels into a fresh one, by pip and without an index."""
        venv.create(folder, symlinks=True, with_pip=False)
        made = cls(folder)
        options = [
            "--quiet",
            "--no-deps",
            "--no-index",
            "--no-compile",
            "--disable-pip-version-check",
        ]
        run(sys.executable, "-m", "pip", "--python", made.python, "install", *options, *wheels)
        # Appended to the path, so what the environment has itself comes first. An editable installation
        # of the project is not among it, for that is a .pth file, which is read of one's own folder only.
        (site,) = folder.glob("lib/python*/site-packages")
        dependencies = sysconfig.get_paths()["purelib"]
        (site / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
        return made

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def run(self, *arguments: str | Path, cwd: Path) -> str:
        """What its interpreter prints, isolated: nothing is imported from the folder it runs in."""
        return run(self.python, "-I", *arguments, cwd=cwd)

    def cli(self, *arguments: str | Path, cwd: Path) -> str:
        """What its `uss-plugins` prints."""
        return run(self.folder / "bin" / "uss-plugins", *arguments, cwd=cwd)
