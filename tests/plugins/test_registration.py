"""What a hook may register: refused, when it is called, is what could never be built."""

from __future__ import annotations

from pathlib import Path

import pytest
from distributions import Distribution, install

from registry import load_plugins

_REFUSED = {
    "spaced": (
        """register("my net", "nets:MyNet", summary="")""",
        "separator 'my net': a name is made of letters, digits, '_', '-' and '.'",
    ),
    "pathless": (
        """register("net", "nets.MyNet", summary="")""",
        "separator 'net': factory 'nets.MyNet' is not 'package.module:attribute'",
    ),
    "repeated": (
        """[register("net", "nets:MyNet", summary="") for _ in range(2)]""",
        "separator 'net' is registered twice by the same plug-in",
    ),
    "unsummarised": (
        """register("net", "nets:MyNet")""",
        "TypeError: _Collector.__call__() missing 1 required keyword-only argument: 'summary'",
    ),
    "leaving": ("""raise SystemExit(3)""", "SystemExit: 3"),
}


def test_what_could_never_be_built_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = {
        f"refused_{name}.py": (
            "from registry import hookimpl\n\n@hookimpl\ndef register_separators(register):\n"
            f'    register("fine", "nets:Fine", summary="goes with the rest")\n    {call}\n'
        )
        for name, (call, _) in _REFUSED.items()
    }
    plugins_of = {name: f"refused_{name}" for name in _REFUSED}
    distribution = Distribution("refused", "1", modules, plugins_of)
    monkeypatch.syspath_prepend(install(tmp_path / "installed", distribution))
    plugins = load_plugins({})
    assert {entry.plugin.name: entry.reason for entry in plugins.broken} == {
        name: reason for name, (_, reason) in _REFUSED.items()
    }
    assert "fine" not in {spec.name for spec in plugins.specs()}
