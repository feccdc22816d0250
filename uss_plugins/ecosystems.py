"""Imports Asteroid, SpeechBrain, transformers and what they stand on, also beside a PyTorch without CUDA.

All three import torchaudio, whose compiled extension is linked with CUDA, and so cannot be loaded where
PyTorch has none, though nothing here uses it. torchaudio can do without: it looks for the library
of its extension and, finding no file, goes on. Where there is one that does not load, it is shown
a folder without.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from registry.errors import UserError

_IMPORT_WARNINGS = ("pkg_resources is deprecated", "Deprecated call to `pkg_resources")
"""Beginnings of what torchmetrics 0.11, which asteroid 0.7 pins, makes setuptools warn of."""


def import_asteroid(module: str = "asteroid") -> ModuleType:
    """Import Asteroid, or a module of it. Raises as `import_torchaudio`."""
    import_torchaudio()
    return _import_without_warnings(module)


def import_speechbrain(module: str = "speechbrain") -> ModuleType:
    """Import SpeechBrain, or a module of it. Raises as `import_torchaudio`."""
    import_torchaudio()
    return _import_without_warnings(module)


def import_transformers(module: str = "transformers") -> ModuleType:
    """Import Hugging Face's transformers, or a module of it. Raises as `import_torchaudio`, and:

    Raises:
        UserError: it is not installed, being an extra; with the command that installs it.
    """
    if importlib.util.find_spec("transformers") is None:
        raise UserError(
            "Hugging Face's transformers is not installed; run: pip install 'uss-plugins[transformers]'"
        )
    if importlib.util.find_spec("torchaudio") is not None:
        import_torchaudio()
    return importlib.import_module(module)


def import_torchmetrics(module: str = "torchmetrics") -> ModuleType:
    """Import torchmetrics, or a module of it, without version 0.11's warning of setuptools."""
    return _import_without_warnings(module)


def import_lightning_environments() -> ModuleType:
    """Import what Lightning knows of launchers, without that warning either."""
    return _import_without_warnings("lightning_fabric.plugins.environments")


def import_torchaudio() -> ModuleType:
    """Import torchaudio, without its compiled extension where that does not load.

    Raises:
        ImportError: it is not installed.
        UserError: the extension does not load, and this torchaudio has no way known to do without.
    """
    try:
        return importlib.import_module("torchaudio")
    except OSError as error:
        failure = error
    utilities = sys.modules.get("torchaudio._extension.utils")
    if utilities is None or not isinstance(getattr(utilities, "_LIB_DIR", None), Path):
        raise UserError(_remedy(failure)) from failure
    try:
        return _import_torchaudio_without_extension(utilities)
    except OSError as error:
        raise UserError(_remedy(error)) from error


def _import_torchaudio_without_extension(utilities: ModuleType) -> ModuleType:
    """Import torchaudio anew, its module that looks for libraries looking where there are none."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        if sys.modules[name] is not utilities:
            del sys.modules[name]
    vars(utilities)["_LIB_DIR"] = Path(str(utilities.__file__)).parent
    torchaudio = importlib.import_module("torchaudio")
    vars(torchaudio._extension)["utils"] = utilities  # bound by Python only when it loads a module
    return torchaudio


def _remedy(failure: OSError) -> str:
    return (
        f"torchaudio cannot load its compiled extension ({failure}), nor be imported without; "
        "install the torchaudio that was built for this PyTorch"
    )


def _import_without_warnings(module: str) -> ModuleType:
    with warnings.catch_warnings(), _transformers_unseen():
        for beginning in _IMPORT_WARNINGS:
            warnings.filterwarnings("ignore", message=beginning)
        return importlib.import_module(module)


@contextmanager
def _transformers_unseen() -> Iterator[None]:
    """Keep torchmetrics from importing transformers, slow to import, for metrics that nothing here uses."""
    if "transformers" in sys.modules:
        yield
        return
    sys.modules["transformers"] = None  # type: ignore[assignment]  # Python's own sign of an absent module
    try:
        yield
    finally:
        del sys.modules["transformers"]
