"""What a result was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("uss-plugins", "torch", "asteroid", "speechbrain", "torchmetrics", "pytorch-lightning")


def versions() -> dict[str, str]:
    """Version of Python and of each package that a result depends on, where it is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
