"""`uss-plugins check`: a line for each check, JSON, exit codes, and what is bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import RunCli
from distributions import Distribution, install

from registry.conformance import CHECKS

GAINS = Distribution(
    "gain-nets",
    "0.1",
    {
        "gain_nets.py": """
            from registry import hookimpl

            @hookimpl
            def register_separators(register):
                register("gain", "gain_nets_modules:Gain", summary="a gain")
                register("deaf", "gain_nets_modules:Deaf", summary="does not hear its condition")
            """,
        "gain_nets_modules.py": """
            import torch
            from registry import UserError

            class Gain(torch.nn.Module):
                channels = 1

                def __init__(self, condition_size, sample_rate=8000, bias=True):
                    super().__init__()
                    if sample_rate > 16000:
                        raise UserError(f"gain: sample_rate={sample_rate} is above 16000")
                    self.condition_size, self.sample_rate = condition_size, sample_rate
                    self.gain = torch.nn.Linear(condition_size, 1, bias=bias)

                def forward(self, mixture, condition):
                    return mixture * self.gain(condition)[:, :, None]

            class Deaf(Gain):
                def forward(self, mixture, condition):
                    return super().forward(mixture, torch.ones_like(condition))
            """,
    },
    {"gains": "gain_nets"},
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    site = install(tmp_path_factory.mktemp("gains") / "installed", GAINS)
    return {"PYTHONPATH": str(site), "USS_PLUGINS_DISABLE": ""}


def test_a_component_that_passes(run_cli: RunCli, environment: dict[str, str]) -> None:
    done = run_cli("check", "separator", "gain", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    title, *lines, summary = done.stdout.splitlines()
    assert title == "separator gain (gain-nets 0.1)"
    assert [line.split()[:2] for line in lines] == [
        ["ok", name] for name in CHECKS if name != "clips"
    ]
    assert lines[0].split(maxsplit=2)[2] == "without a network"
    assert lines[6].split(maxsplit=2)[2] == CHECKS["led"]
    assert summary == "components: 1 passed, 0 failed"


def test_a_distributions_components_one_of_which_fails(
    run_cli: RunCli, environment: dict[str, str]
) -> None:
    done = run_cli("check", "gain_nets", env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    failures = [line for line in done.stdout.splitlines() if "FAIL" in line]
    assert failures == [
        "  FAIL  led          the estimate is the same whatever the condition; let it change the "
        "features, by FiLM for example"
    ]
    assert done.stdout.endswith("components: 1 passed, 1 failed\n")


def test_json_has_every_check_with_its_findings(
    run_cli: RunCli, environment: dict[str, str]
) -> None:
    done = run_cli("check", "deaf", "--json", "--set", "bias=false", env=environment)
    assert done.returncode == 1
    (entry,) = json.loads(done.stdout)
    assert (entry["component"], entry["passed"]) == ("separator deaf (gain-nets 0.1)", False)
    checks = {check["check"]: check for check in entry["checks"]}
    assert set(checks) == set(CHECKS) - {"clips"}
    assert checks["led"]["status"] == "failed"
    assert checks["led"]["asserts"] == CHECKS["led"]
    assert checks["led"]["findings"][0]["remedy"].startswith("let it change the features")
    assert checks["gradients"]["note"] == "1 parameters to train"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gian"], "no component or distribution 'gian' is installed; did you mean gain"),
        (["separator", "gian"], "no separator 'gian' is registered; did you mean gain?"),
        (["filter", "gain"], "no kind of component is called 'filter'"),
        (["a", "b", "c"], "check takes a kind and a name, not 3 words"),
        (["gain", "--set", "bias"], "--set bias: write a parameter and a value"),
        (["gain", "--set", "bias=[1"], "--set bias=[1: the value is not YAML"),
        (["gain", "--set", "gian=1"], "separator: unknown parameter 'gian'"),
        (["gain", "--set", "sample_rate=48000"], "gain: sample_rate=48000 is above 16000"),
        (["gain-nets", "--set", "bias=true"], "--set is for one component, and 2 are checked"),
        (["corpus", "manifest"], "corpus: parameter 'path' "),
    ],
)
def test_bad_input_is_one_line(
    run_cli: RunCli, environment: dict[str, str], arguments: list[str], message: str
) -> None:
    done = run_cli("check", *arguments, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


def test_what_cannot_be_built_among_others_is_named_and_not_checked(run_cli: RunCli) -> None:
    done = run_cli("check", "corpus")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    place = lines.index(next(line for line in lines if line.startswith("corpus manifest (")))
    assert lines[place + 1].startswith("  -     builds       corpus: parameter 'path' ")
    assert lines[-1] == "components: 1 passed, 0 failed, 3 not checked"


def test_names_and_plug_ins_in_trouble_are_told(run_cli: RunCli, plugin_site: Path) -> None:
    environment = {"PYTHONPATH": str(plugin_site), "USS_PLUGINS_DISABLE": ""}
    twin = run_cli("check", "twin", env=environment)
    assert (twin.returncode, twin.stdout) == (2, "")
    assert twin.stderr.startswith("error: separator 'twin' is claimed by plug-in 'a' of twin-a 1.0")
    raising = run_cli("check", "raising-nets", env=environment)
    assert raising.stderr == (
        "error: plug-in 'raising' of raising-nets 0.3 cannot be used: RuntimeError: no licence found\n"
    )
    lost = run_cli("check", "lost", env=environment)
    assert lost.returncode == 1
    assert "FAIL  builds       separator 'lost' of plug-in 'good' of good-nets 1.2" in lost.stdout
