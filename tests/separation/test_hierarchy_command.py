"""`uss-plugins separate --levels`, `--node` and `--plan`, in this process and once as installed."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from separation.conftest import CLASS_IDS, CLASS_NAMES, RECIPE

from uss_plugins.cli import main
from uss_plugins.compose import build_model, settle_sample_rate
from uss_plugins.recipe import parse_recipe
from uss_plugins.separation.folder import save_model

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tiny_model_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Calls the verb in `tmp_path` on half a second of noise: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(9).uniform(-0.3, 0.3, (22050, 2))
    soundfile.write(tmp_path / "song.wav", noise, 44100)

    def run_verb(*arguments: str, model: Path = tiny_model_dir) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exited:
            main(["separate", "--model", str(model), *arguments])
        captured = capsys.readouterr()
        assert isinstance(exited.value.code, int)
        return exited.value.code, captured.out, captured.err

    return run_verb


def tree_of(folder: Path) -> dict[str, Any]:
    tree = json.loads((folder / "tree.json").read_text())
    assert isinstance(tree, dict)
    return tree


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_levels_and_nodes_and_what_tells_of_them(run: Run, tmp_path: Path) -> None:
    options = ("--levels", "1", "3", "song.wav", "--node", "Human voice", "--threshold", "0")
    code, out, err = run(*options, "--format", "wav", "--json")
    assert (code, err) == (0, "")
    folder = tmp_path / "separated" / "song"
    parts = [
        "level=1/Human sounds.wav",
        "level=1/Rock_pop.wav",
        "level=1/Sounds of things.wav",
        "level=2/Human voice.wav",
        "level=3/Siren.wav",
        "level=3/Speech.wav",
    ]
    pages = ["report.html", "separation.json", "timeline.png", "tree.json"]
    assert files_in(folder) == sorted([*parts, *pages])
    (result,) = json.loads(out)["recordings"]
    assert sorted(output["file"] for output in result["outputs"]) == parts
    for page in ("tree", "timeline", "report"):
        assert Path(result[page]).parent == folder
    for part in parts:
        info = soundfile.info(folder / part)
        assert (info.samplerate, info.channels, info.frames) == (44100, 2, 22050)


def test_consistent_writes_residuals_that_complete_each_level(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("song.wav", "--levels", "1", "--threshold", "0", "--consistent")
    assert code == 0
    assert "level=1/residual.flac" in out
    folder = tmp_path / "separated" / "song"
    parts = sorted((folder / "level=1").iterdir())
    assert len(parts) == 4
    total = sum(soundfile.read(part)[0] for part in parts)
    np.testing.assert_array_equal(total, soundfile.read(tmp_path / "song.wav")[0])
    assert tree_of(folder)["settings"]["consistent"] is True


def test_top_and_min_seconds(run: Run, tmp_path: Path) -> None:
    assert run("song.wav", "--levels", "1", "--threshold", "0", "--top", "1")[0] == 0
    nodes = tree_of(tmp_path / "separated" / "song")["nodes"]
    assert len(nodes) == 1
    code, out, _ = run("song.wav", "--levels", "1", "--threshold", "0", "--min-seconds", "1")
    assert code == 0
    assert "nothing was heard" in out


@pytest.mark.parametrize("as_json", [False, True])
def test_a_plan_says_what_would_be_done_and_writes_nothing(
    run: Run, tmp_path: Path, as_json: bool
) -> None:
    options = ("song.wav", "--levels", "1", "--threshold", "0", "--segment-seconds", "0.25")
    code, out, err = run(*options, "--plan", *(["--json"] if as_json else []))
    assert (code, err) == (0, "")
    assert files_in(tmp_path) == ["song.wav"]
    if not as_json:
        assert re.search(
            r"3 segments; 3 nodes from 18 estimates in 18 batches; about [\d.]+ s", out
        )
        assert re.search(r"level 1\n +0\.\d\d  Human sounds: 0\.0-0\.5 s", out)
        return
    (plan,) = json.loads(out)["recordings"]
    assert (plan["segments"], plan["estimates"], plan["batches"]) == (3, 18, 18)
    assert plan["estimated_seconds"] > 0
    names = ["Human sounds", "Sounds of things", "Rock/pop"]
    assert [node["name"] for node in plan["nodes"]] == names


@pytest.mark.parametrize("strategy", ["hard", "soft", "latent", "learnable"])
def test_all_strategies_separate_hierarchically(run: Run, tmp_path: Path, strategy: str) -> None:
    embedding = {"name": strategy} | (
        {"condition_size": 6, "hidden_size": 8} if strategy == "learnable" else {}
    )
    recipe = parse_recipe({**RECIPE, "embedding": embedding}, "tests")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(settle_sample_rate(recipe, 16000), CLASS_NAMES, CLASS_IDS)
        model.query_bank.copy_(torch.rand(model.query_bank.shape))
    save_model(model, tmp_path / "model", recipe)
    options = ("song.wav", "--levels", "1", "2", "3", "--threshold", "0", "--batch-size", "4")
    code, _, err = run(*options, model=tmp_path / "model")
    assert (code, err) == (0, "")
    nodes = tree_of(tmp_path / "separated" / "song")["nodes"]
    for node in nodes:
        audio, _ = soundfile.read(tmp_path / "separated" / "song" / node["file"])
        assert np.square(audio).mean() > 1e-8
        assert node["energy_share"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--node", "Human voise"), "Human voice"),
        (("--node", "Animal"), "no class at or below it"),
        (("--levels", "0"), "--levels"),
        (("--levels", "7"), "level 7"),
        (("--levels", "one"), "--levels"),
        (("--levels", "1", "--classes", "Speech"), "--classes"),
        (("--levels", "1", "--query", "song.wav"), "--query"),
        (("--levels", "1", "--condition", "bank"), "--condition"),
        (("--levels", "1", "--top", "0"), "--top"),
        (("--levels", "1", "--min-seconds", "-1"), "--min-seconds"),
        (("--plan",), "--levels or --node"),
        (("--top", "3"), "--levels or --node"),
        (("--consistent", "--classes", "Speech"), "--levels or --node"),
    ],
)
def test_mistakes_get_one_line(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = run("song.wav", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert files_in(tmp_path) == ["song.wav"]


@pytest.mark.parametrize("plan", [(), ("--plan",)])
def test_a_bad_file_gets_a_line_and_the_others_are_done(
    run: Run, tmp_path: Path, plan: tuple[str, ...]
) -> None:
    (tmp_path / "empty.wav").touch()
    options = ("--levels", "1", "--threshold", "0", "--json", *plan)
    code, out, err = run("empty.wav", "song.wav", *options)
    assert code == 2
    assert err.startswith("error: empty.wav: empty")
    assert ["error" in one for one in json.loads(out)["recordings"]] == [True, False]


def test_as_installed(
    run_cli: Callable[..., subprocess.CompletedProcess[str]], tiny_model_dir: Path, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 4000), 16000)
    base = ("separate", tmp_path / "a.wav", "--model", tiny_model_dir, "--levels", "1", "2")
    planned = run_cli(*base, "--plan", "--threshold", "0")
    assert (planned.returncode, planned.stderr) == (0, "")
    assert "level 2" in planned.stdout
    done = run_cli(*base, "--threshold", "0", "--output-dir", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "level=2/Human voice.flac" in done.stdout
    assert tree_of(tmp_path / "out" / "a")["samples"] == 4000
