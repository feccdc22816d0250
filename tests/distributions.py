"""Makes real distributions for tests: wheels, installed by pip into a folder of their own."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent


@dataclass(frozen=True)
class Distribution:
    """A distribution to build. modules: file name -> source. plugins: entry-point name -> module."""

    name: str
    version: str
    modules: Mapping[str, str]
    plugins: Mapping[str, str]

    def build_wheel(self, folder: Path) -> Path:
        """Write the wheel into `folder`."""
        stem = f"{self.name.replace('-', '_')}-{self.version}"
        entry_points = "".join(f"{name} = {module}\n" for name, module in self.plugins.items())
        files = {name: dedent(source) for name, source in self.modules.items()} | {
            f"{stem}.dist-info/METADATA": (
                f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
            ),
            f"{stem}.dist-info/WHEEL": (
                "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            ),
            f"{stem}.dist-info/entry_points.txt": f"[uss_plugins]\n{entry_points}",
        }
        record = f"{stem}.dist-info/RECORD"
        files[record] = "".join(f"{name},,\n" for name in [*files, record])
        wheel = folder / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return wheel


def install(folder: Path, *distributions: Distribution) -> Path:
    """Build and install distributions; gives the folder to put on the path."""
    folder.mkdir(parents=True)
    wheels = [distribution.build_wheel(folder) for distribution in distributions]
    site = folder / "site"
    options = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", site, *wheels], check=True
    )
    return site
