"""What `uss-plugins new` writes is a plug-in: built, installed, tested, checked, listed, planned, trained.

The path of a newcomer, for each kind, in a fresh environment beside the built wheel of this project.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import RunCli
from project_wheel import ROOT, Environment, build_project_wheel, build_wheel

KINDS = {"query-net": "my-hearing", "embedding": "my-view", "separator": "my-net"}
TINY = (
    "corpus.splits.train.clips=8",
    "corpus.splits.valid.clips=4",
    "corpus.splits.test.clips=4",
    "tagger.steps=2",
    "tagger.validate_every=2",
    "training.steps=2",
    "training.validate_every=2",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's wheel."""
    return build_project_wheel(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plug_in_works_from_its_installation_to_its_training(
    run_cli: RunCli, project: Path, tmp_path: Path, kind: str
) -> None:
    name = KINDS[kind].replace("-", "_")
    done = run_cli("new", KINDS[kind], "--kind", kind, "--output-dir", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    package = tmp_path / KINDS[kind]
    assert done.stdout.startswith(f"{package}: a package with the {kind.replace('-', ' ')}")
    wheel = build_wheel(package, tmp_path)
    environment = Environment.make(tmp_path / "environment", project, wheel)

    listing = json.loads(environment.cli("list", "--json", cwd=tmp_path))
    (entry,) = [each for each in listing["components"] if each["name"] == name]
    assert (entry["kind"], entry["distribution"]) == (kind.replace("-", "_"), KINDS[kind])
    assert listing["broken"] == listing["collisions"] == []

    own = environment.run(
        "-m", "pytest", "-W", "error", "-q", "-p", "no:cacheprovider", cwd=package
    )
    assert "3 passed" in own
    checked = environment.cli("check", KINDS[kind], cwd=tmp_path)
    assert checked.endswith("components: 1 passed, 0 failed\n")
    assert "FAIL" not in checked

    collected = environment.run(
        "-m", "pytest", "benchmarks", "--collect-only", "-q", "-p", "no:cacheprovider", cwd=ROOT
    )
    assert f"[{name}]" in collected or f"[{name}-" in collected or f"-{name}]" in collected

    planned = environment.cli("benchmark", package / "grid.yaml", "--dry-run", cwd=tmp_path)
    assert planned.startswith("1 cells, 100 steps of training each; 0 combinations are impossible")
    assert name in planned.splitlines()[1]

    settings = [part for value in TINY for part in ("--set", value)]
    experiment = tmp_path / "experiment"
    arguments = ["train", package / "recipe.yaml", "--exp-dir", experiment, *settings]
    environment.cli(*arguments, cwd=tmp_path)
    assert (experiment / "model" / "weights.safetensors").is_file()
    assert f"name: {name}" in (experiment / "model" / "recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("2fast", "separator", "'2fast' cannot name a plug-in; use letters and digits"),
        ("../up", "separator", "'../up' cannot name a plug-in"),
        ("class", "separator", "'class' is a name that Python keeps for itself"),
        ("Json", "embedding", "'Json' is a name that Python keeps for itself"),
        ("resunet30", "separator", "separator 'resunet30' is registered by plug-in 'builtin'"),
        ("torch", "query-net", "a distribution torch "),
        ("uss_plugins", "query-net", "a distribution uss-plugins "),
        ("mine", "corpus", "--kind corpus: there is no template of that kind; choose one of"),
        ("mine", "filter", "no kind of component is called 'filter'"),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused(
    run_cli: RunCli, tmp_path: Path, name: str, kind: str, message: str
) -> None:
    done = run_cli("new", name, "--kind", kind, "--output-dir", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_kept(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "my-net").mkdir()
    (tmp_path / "my-net" / "mine.txt").write_text("mine")
    done = run_cli("new", "my_net", "--kind", "separator", "--output-dir", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path / 'my-net'}: exists; remove it, or give")
    assert [path.name for path in tmp_path.rglob("*")] == ["my-net", "mine.txt"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_tidy(run_cli: RunCli, tmp_path: Path, kind: str) -> None:
    run_cli("new", KINDS[kind], "--kind", kind, "--output-dir", tmp_path)
    package = tmp_path / KINDS[kind]
    assert "$" not in "".join(path.read_text() for path in package.rglob("*.*") if path.is_file())
    ruff = Path(sys.executable).with_name("ruff")
    for verb, *options in (
        ("check", "--select", "E,F,I,W,UP,B", "--ignore", "E501"),
        ("format", "--check"),
    ):
        done = subprocess.run(
            [ruff, verb, "--isolated", "--no-cache", "--line-length", "100", *options, "."],
            cwd=package,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
