"""Writes the package of a new plug-in from its templates, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from string import Template

from registry.errors import UserError
from registry.hookspecs import HOOKS
from uss_plugins.scaffold.names import PluginNames

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".template"
TITLES = {"query_net": "query net", "embedding": "embedding strategy", "separator": "separator"}


def write_plugin(names: PluginNames, parent: Path) -> Path:
    """Write the package into a new folder of `parent`, named as the distribution; gives that folder.

    Raises:
        UserError: there is something of that name already.
    """
    folder = parent / names.distribution
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder}: exists; remove it, or give another name or --output-dir")
    parent.mkdir(parents=True, exist_ok=True)
    aside = parent / f".{names.distribution}.{os.getpid()}.part"
    try:
        for place, text in rendered(names):
            path = aside / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def rendered(names: PluginNames) -> Iterator[tuple[str, str]]:
    """The files of the package: their place in it and their text."""
    values = {
        "distribution": names.distribution,
        "package": names.package,
        "class_name": names.class_name,
        "kind": names.kind,
        "kind_option": names.kind.replace("_", "-"),
        "kind_title": TITLES[names.kind],
        "hook": HOOKS[names.kind],
        "version": version("uss-plugins"),
    }
    for folder in (TEMPLATES / "common", TEMPLATES / names.kind):
        for path in sorted(folder.rglob(f"*{SUFFIX}")):
            place = path.relative_to(folder).as_posix().removesuffix(SUFFIX)
            text = path.read_text(encoding="utf-8")
            yield Template(place).substitute(values), Template(text).substitute(values)
