"""Universal sound source separation from weak labels, with every component a plug-in."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """`__version__`, read from the installed distribution when asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("uss-plugins")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
