"""The names that a new plug-in goes by, made of one, and refused where they are taken."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import chain

from registry import Plugins
from registry.errors import UserError

KIND_WORDS = {"query_net": "QueryNet", "embedding": "Embedding", "separator": "Separator"}


@dataclass(frozen=True)
class PluginNames:
    """Names of a plug-in.

    distribution: what pip installs, such as "my-net". package: what Python imports, and what recipes call
    the component, such as "my_net". class_name: such as "MyNetSeparator".
    """

    kind: str
    distribution: str
    package: str
    class_name: str


def make_names(name: str, kind: str, plugins: Plugins) -> PluginNames:
    """The names of a plug-in called `name`, of a kind of component.

    Raises:
        UserError: it is no name, Python keeps it for itself, or something installed has it.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*", name):
        raise UserError(
            f"{name!r} cannot name a plug-in; use letters and digits, with '-' or '_' between words"
        )
    distribution = name.casefold().replace("_", "-")
    package = distribution.replace("-", "_")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names | {"tests"}:
        raise UserError(f"{name!r} is a name that Python keeps for itself; choose another")
    for spec in chain(plugins.specs(kind), *plugins.collisions(kind)):
        if spec.name == package:
            raise UserError(
                f"{kind.replace('_', ' ')} {package!r} is registered by {spec.source}; choose another name"
            )
    if (installed := _installed_version(distribution)) or find_spec(package) is not None:
        what = f"a distribution {distribution} {installed}" if installed else f"a module {package}"
        raise UserError(f"{what} is installed; choose another name, or uninstall it")
    words = "".join(word.capitalize() for word in package.split("_"))
    suffix = KIND_WORDS[kind]
    return PluginNames(kind, distribution, package, words.removesuffix(suffix) + suffix)


def _installed_version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
