"""Several processes train one separator; what one process has to do is left to one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from command_line import RunCli
from training.tiny_recipe import tiny_tree

from registry.errors import UserError
from uss_plugins.cli.recipe_options import open_experiment
from uss_plugins.separation.folder import load_model
from uss_plugins.training.devices import Devices
from uss_plugins.training.stages.anchors import mine
from uss_plugins.training.stages.separator import train_separator
from uss_plugins.training.stages.tagger import train_tagger

ONCE = {"steps": 2, "validate_every": 1}
ALONE = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("devices") / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_tree(tagger=ONCE, training=ONCE)), encoding="utf-8")
    return path


def test_two_processes_train_one_separator_and_one_tells(
    run_cli: RunCli, recipe: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "exp"
    experiment = open_experiment(recipe, folder, None, (), False, "cpu", 1)
    train_tagger(experiment)
    mine(experiment)
    options = ("--exp-dir", folder, "--device", "cpu", "--devices", "2")
    done = run_cli("train", recipe, *options, env=ALONE)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if not line.startswith("[Gloo]")]
    (line,) = told
    assert line.startswith("separator: validation SDRi ")
    assert set(load_model(folder / "model").class_names) == {"Speech", "Bark", "Siren", "Rain"}
    assert [path for path in folder.rglob("*") if path.name.endswith(".part")] == []


def test_several_processes_are_sent_to_make_tagger_and_anchors_first(
    recipe: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "exp"
    with pytest.raises(UserError, match="run train-tagger and mine-anchors first"):
        train_separator(open_experiment(recipe, folder, None, (), False, "cpu", 2))
    assert not (folder / "tagger").exists()


def test_mining_is_refused_to_launched_processes(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="mining is done by one process"):
        mine(open_experiment(recipe, tmp_path / "exp", None, (), False, "cpu", 1))


@pytest.mark.parametrize(
    ("variables", "devices", "nodes", "processes"),
    [
        ({}, 1, 1, 1),
        ({}, 4, 1, 4),
        ({"WORLD_SIZE": "4"}, 4, 1, 4),
        ({"WORLD_SIZE": "16"}, 8, 2, 16),
        ({"WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}, 1, 2, 16),
        ({"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}, 1, 1, 2),
        ({"SLURM_STEP_NUM_TASKS": "16"}, 8, 2, 16),
    ],
)
def test_machines_and_processes_are_counted(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    devices: int,
    nodes: int,
    processes: int,
) -> None:
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    where = Devices("cpu", devices)
    assert (where.num_nodes, where.process_count) == (nodes, processes)
    assert where.of_machine * nodes == processes
