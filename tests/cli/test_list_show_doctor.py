"""`list`, `show` and `doctor`, with installed plug-ins of all fates."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from command_line import RunCli

BROKEN = {
    ("hookless-nets", "0.1", "it implements no hook; mark its functions with registry.hookimpl"),
    (
        "mistyped-nets",
        "0.1",
        "it implements a hook that does not exist: 'register_seperators' "
        "(did you mean register_separators?)",
    ),
    ("raising-nets", "0.3", "RuntimeError: no licence found"),
}


@pytest.fixture
def environment(plugin_site: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(plugin_site), "USS_PLUGINS_DISABLE": ""}


def read_json(done: subprocess.CompletedProcess[str]) -> Any:
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_list_gives_name_summary_distribution_and_version(
    run_cli: RunCli, environment: dict[str, str]
) -> None:
    listing = read_json(run_cli("list", "--json", env=environment))
    components = {(entry["kind"], entry["name"]): entry for entry in listing["components"]}
    assert components["separator", "echo"] == {
        "kind": "separator",
        "name": "echo",
        "summary": "gives the mixture back",
        "factory": "good_nets_modules:Echo",
        "plugin": "good",
        "distribution": "good-nets",
        "version": "1.2",
    }
    assert components["embedding", "soft"]["distribution"] == "uss-plugins"
    assert components["embedding", "soft"]["version"] == version("uss-plugins")
    assert {kind for kind, _ in components} == {"query_net", "embedding", "separator", "corpus"}


def test_list_gives_the_plugins_in_trouble(run_cli: RunCli, environment: dict[str, str]) -> None:
    listing = read_json(run_cli("list", "--json", env=environment))
    broken = {(b["distribution"], b["version"], b["reason"]) for b in listing["broken"]}
    assert broken == BROKEN
    claims = {
        entry["name"]: [claim["distribution"] for claim in entry["claims"]]
        for entry in listing["collisions"]
    }
    assert claims == {"resunet30": ["twin-b", "uss-plugins"], "twin": ["twin-a", "twin-b"]}
    assert listing["disabled"] == []


def test_list_for_people_has_a_line_for_everything(
    run_cli: RunCli, environment: dict[str, str]
) -> None:
    done = run_cli("list", env={**environment, "USS_PLUGINS_DISABLE": "b"})
    lines = {" ".join(line.split()) for line in done.stdout.splitlines()}
    assert {
        "KIND NAME FROM SUMMARY",
        "separator echo good-nets 1.2 gives the mixture back",
        "separator twin twin-a 1.0 the twin of a",
        "broken: plug-in 'raising' of raising-nets 0.3: RuntimeError: no licence found",
        "switched off: plug-in 'b' of twin-b 2.0",
    } <= lines
    done = run_cli("list", env=environment)
    assert (
        "collision: separator 'twin' is claimed by plug-in 'a' of twin-a 1.0 and plug-in 'b' of "
        "twin-b 2.0; switch off all but one with USS_PLUGINS_DISABLE=PLUGIN,..."
    ) in done.stdout.splitlines()


@pytest.mark.parametrize("kind", ["query-net", "query_net"])
def test_list_of_a_kind_has_that_kind_only(run_cli: RunCli, kind: str) -> None:
    listing = read_json(run_cli("list", "--kind", kind, "--json"))
    assert {"cnn14", "cnn14_decision_level_max", "cnn_small"} <= {
        entry["name"] for entry in listing["components"]
    }
    assert {entry["kind"] for entry in listing["components"]} == {"query_net"}


def test_list_of_an_unknown_kind_is_refused(run_cli: RunCli) -> None:
    done = run_cli("list", "--kind", "filter")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: no kind of component is called 'filter'; "
        "known: query_net, embedding, separator, corpus\n"
    )


def test_list_imports_no_component_and_no_torch(environment: dict[str, str]) -> None:
    script = (
        "import sys\nfrom uss_plugins.cli import main\n"
        "try:\n    main(['list'])\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(done.stderr.split())
    assert {"good_nets", "uss_plugins.builtin"} <= imported
    assert imported.isdisjoint({"torch", "numpy", "pydantic", "rich", "good_nets_modules"})


def test_show_gives_parameters_documentation_and_source(
    run_cli: RunCli, environment: dict[str, str], plugin_site: Path
) -> None:
    shown = read_json(run_cli("show", "separator", "echo", "--json", env=environment))
    file = plugin_site / "good_nets_modules.py"
    line = file.read_text().splitlines().index("class Echo(torch.nn.Module):") + 1
    assert shown["source"] == {"file": str(file), "line": line}
    assert shown["documentation"] == "Gives the mixture back, louder."
    assert (shown["distribution"], shown["version"]) == ("good-nets", "1.2")
    fields = ("name", "type", "required", "default", "composed")
    assert [tuple(parameter[field] for field in fields) for parameter in shown["parameters"]] == [
        ("condition_size", "int", True, None, True),
        ("sample_rate", "int", False, 8000, True),
        ("gain", "float", False, 1.0, False),
    ]


def test_show_for_people(run_cli: RunCli, environment: dict[str, str], plugin_site: Path) -> None:
    file = plugin_site / "good_nets_modules.py"
    line = file.read_text().splitlines().index("class Echo(torch.nn.Module):") + 1
    done = run_cli("show", "separator", "echo", env=environment)
    assert done.stdout.splitlines() == [
        "separator echo: gives the mixture back",
        "from plug-in 'good' of good-nets 1.2",
        f"source {file}:{line}",
        "",
        "parameters",
        "  condition_size: int  required  (from its neighbours)",
        "  sample_rate: int  = 8000  (from its neighbours)",
        "  gain: float  = 1.0",
        "",
        "Gives the mixture back, louder.",
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("query-net", "cnn14"),
        ("query-net", "cnn_small"),
        ("embedding", "learnable"),
        ("separator", "resunet30"),
        ("corpus", "synthetic"),
        ("corpus", "manifest"),
    ],
)
def test_show_of_a_built_in_gives_a_type_for_every_parameter(
    run_cli: RunCli, kind: str, name: str
) -> None:
    shown = read_json(run_cli("show", kind, name, "--json"))
    assert shown["parameters"]
    assert all(parameter["type"] != "any" for parameter in shown["parameters"])
    assert shown["documentation"]
    assert Path(shown["source"]["file"]).is_file()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("twin", "error: separator 'twin' is claimed by plug-in 'a' of twin-a 1.0 and"),
        ("lost", "error: separator 'lost' of plug-in 'good' of good-nets 1.2 cannot be loaded"),
        ("ecko", "error: no separator 'ecko' is registered; did you mean echo?"),
    ],
)
def test_show_of_what_cannot_be_had_is_one_line(
    run_cli: RunCli, environment: dict[str, str], name: str, message: str
) -> None:
    done = run_cli("show", "separator", name, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_doctor_finds_this_installation_fit(run_cli: RunCli) -> None:
    done = run_cli("doctor")
    assert "FAIL" not in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    subjects = [line.removeprefix("ok").strip() for line in done.stdout.splitlines()]
    assert subjects[0] == f"Python {platform.python_version()}"
    for distribution in ("torch", "torchmetrics", "asteroid", "speechbrain"):
        assert f"{distribution} {version(distribution)}" in subjects


def test_doctor_names_what_is_wrong_and_exits_with_1(
    run_cli: RunCli, environment: dict[str, str]
) -> None:
    done = run_cli("doctor", env=environment)
    assert done.returncode == 1
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert len(failures) == 6
    for expected in (
        "plug-in 'raising' of raising-nets 0.3: RuntimeError: no licence found",
        "separator 'twin' is claimed by plug-in 'a' of twin-a 1.0 and plug-in 'b' of twin-b 2.0",
        "separator 'lost' of plug-in 'good' of good-nets 1.2 cannot be loaded",
    ):
        assert any(expected in failure for failure in failures)
