"""The toolkits import in a fresh interpreter, whether or not torchaudio's extension loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_UTILITIES = """
from pathlib import Path
_LIB_DIR = Path(__file__).parent.parent / "lib"
def _load_lib(name):
    if any(_LIB_DIR.glob(name + "*.so")):
        raise OSError("libcudart.so.13: cannot open shared object file")
    return False
"""


def run_python(script: str, *path: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh interpreter in which warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        check=False,
    )


def write_torchaudio(folder: Path, extension: str, utilities: str = _UTILITIES) -> Path:
    """A stand-in for torchaudio of which the extension's module does what `extension` says."""
    package = folder / "torchaudio"
    files = {
        "__init__.py": "from . import _extension\nfrom ._internal import name\n",
        "_internal.py": "name = 'internal'\n",
        "_extension/__init__.py": extension,
        "_extension/utils.py": utilities,
        "lib/_torchaudio.so": "",
    }
    for name, content in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("call", "module"),
    [
        ("import_asteroid()", "asteroid"),
        ("import_asteroid('asteroid.engine.system')", "asteroid.engine.system"),
        ("import_speechbrain()", "speechbrain"),
        ("import_torchmetrics('torchmetrics.audio')", "torchmetrics.audio"),
        ("import_transformers()", "transformers"),
        (
            "import_transformers('transformers.models.clap.modeling_clap')",
            "transformers.models.clap.modeling_clap",
        ),
    ],
)
def test_imports_in_a_fresh_interpreter_without_a_warning(call: str, module: str) -> None:
    done = run_python(
        "import sys\nfrom uss_plugins.ecosystems import *\n"
        f"module = {call}\nassert module is sys.modules[{module!r}] is {call}\n"
        "print(module.__name__)"
    )
    assert (done.stderr, done.stdout) == ("", f"{module}\n")


def test_asteroid_does_not_bring_transformers_and_leaves_it_to_be_imported() -> None:
    done = run_python(
        "import sys\nfrom uss_plugins.ecosystems import *\nimport_asteroid('asteroid.engine.system')\n"
        "print('transformers' in sys.modules, import_transformers().__name__)"
    )
    assert (done.stderr, done.stdout) == ("", "False transformers\n")


def test_both_import_side_by_side_and_work() -> None:
    done = run_python("""
import torch
from uss_plugins.ecosystems import import_asteroid, import_speechbrain, import_torchaudio
separator = import_asteroid().ConvTasNet(n_src=2, n_blocks=1, n_repeats=1, bn_chan=4, hid_chan=4)
features = import_speechbrain("speechbrain.lobes.features").Fbank(n_mels=8)
resampled = import_torchaudio().functional.resample(torch.zeros(1, 160), 16000, 8000)
print(*separator(torch.zeros(1, 8000)).shape, features(torch.zeros(1, 1600)).shape[-1])
print(*resampled.shape)
""")
    assert (done.stderr, done.stdout) == ("", "1 2 8000 8\n1 80\n")


def test_torchaudio_is_left_alone_where_it_imports(tmp_path: Path) -> None:
    site = write_torchaudio(tmp_path, "from . import utils\n")
    done = run_python(
        "from uss_plugins.ecosystems import import_torchaudio\n"
        "print(import_torchaudio()._extension.utils._LIB_DIR)",
        site,
    )
    assert (done.stderr, done.stdout) == ("", f"{site}/torchaudio/lib\n")


def test_an_extension_that_does_not_load_is_done_without(tmp_path: Path) -> None:
    extension = "from .utils import _load_lib\nis_available = _load_lib('_torchaudio')\n"
    site = write_torchaudio(tmp_path, extension)
    done = run_python(
        "from uss_plugins.ecosystems import import_torchaudio\n"
        "torchaudio = import_torchaudio()\n"
        "assert import_torchaudio() is torchaudio\n"
        "print(torchaudio.name, torchaudio._extension.is_available)\n"
        "print(torchaudio._extension.utils._load_lib('libtorchaudio'))",
        site,
    )
    assert (done.stderr, done.stdout) == ("", "internal False\nFalse\n")


@pytest.mark.parametrize(
    ("extension", "utilities"),
    [
        ("raise OSError('no libcudart')\n", _UTILITIES),
        ("from . import utils\nraise OSError('no libcudart')\n", "LIBRARIES = 'lib'\n"),
        ("from . import utils\nraise OSError('no libcudart')\n", _UTILITIES),
    ],
    ids=["not looked for", "looked for elsewhere", "failing all the same"],
)
def test_a_torchaudio_of_unknown_layout_is_a_clear_error(
    tmp_path: Path, extension: str, utilities: str
) -> None:
    site = write_torchaudio(tmp_path, extension, utilities)
    done = run_python("from uss_plugins.ecosystems import *\nimport_torchaudio()", site)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "registry.errors.UserError: torchaudio cannot load its compiled extension (no libcudart), "
        "nor be imported without; install the torchaudio that was built for this PyTorch"
    )
