"""A trained model with a fixed query as a model of Asteroid, used by Asteroid's own functions and command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from command_line import RunCli

from uss_plugins.compose import build_model, settle_sample_rate
from uss_plugins.exporting.asteroid_export import export_asteroid
from uss_plugins.recipe import parse_recipe
from uss_plugins.separation.folder import load_model, save_model

CPU = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
CLASS_NAMES, CLASS_IDS = ("Speech", "Siren", "Rain"), ("/m/09x0r", "/m/03kmc9", "/m/06mb1")
SEPARATORS: dict[str, dict[str, Any]] = {
    "resunet_small": {"stage_channels": [4, 4], "window_size": 256, "hop_size": 128},
    "asteroid_conv_tasnet": {"n_filters": 16, "bn_chan": 8, "hid_chan": 8, "n_blocks": 2},
}


@pytest.fixture(scope="module", params=SEPARATORS)
def model_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of three classes at 16 kHz, its bank filled."""
    fit = {"steps": 1, "validate_every": 1}
    tree = {
        "corpus": {"name": "synthetic"},
        "query_net": {"name": "cnn_small", "channels": [4, 4, 4, 4], "embedding_size": 8},
        "embedding": {"name": "soft"},
        "separator": {"name": request.param, **SEPARATORS[request.param]},
        "tagger": fit,
        "training": fit,
    }
    recipe = parse_recipe(tree, "tests")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(settle_sample_rate(recipe, 16000), CLASS_NAMES, CLASS_IDS)
    model.query_bank.copy_(torch.eye(3))
    folder: Path = tmp_path_factory.mktemp(request.param)
    save_model(model, folder, recipe)
    return folder


@pytest.fixture
def mixture(tmp_path: Path) -> Path:
    path = tmp_path / "mixture.wav"
    noise = 0.1 * np.random.default_rng(0).standard_normal(8001)
    soundfile.write(path, noise, 16000, subtype="FLOAT")
    return path


def expected(model_dir: Path, path: Path, index: int) -> torch.Tensor:
    """The model's estimate of a class, at the mixture's level, as Asteroid writes it: (samples,)."""
    audio = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    model = load_model(model_dir)
    with torch.no_grad():
        estimate: torch.Tensor = model(audio[None, None], torch.eye(3)[index : index + 1])[0, 0]
    return estimate * audio.abs().sum() / estimate.abs().sum()


def read(path: Path) -> torch.Tensor:
    audio, rate = soundfile.read(path, dtype="float32")
    assert rate == 16000
    return torch.from_numpy(audio)


def shown(language: str) -> str:
    """The main README's block of a language about Asteroid."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Use a model in Asteroid\n(.*?)^## ", text, re.M | re.S)
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", section, re.M | re.S)
    return str(found)


def test_the_readmes_three_uses_give_the_models_estimate(
    model_dir: Path, mixture: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    """Exported; by from_pretrained and separate; by Asteroid's command."""
    export, infer = (line.partition("#")[0].split() for line in shown("sh").splitlines())
    places = {"exp/demo/model": model_dir, "siren.pth": tmp_path / "siren.pth"}
    exported = run_cli(*(places.get(word, word) for word in export[1:]))
    assert exported.returncode == 0, exported.stderr
    assert "extracts Siren" in exported.stdout
    street = mixture.rename(tmp_path / "street.wav")
    known = "\nassert type(model).__name__ == 'FixedQuerySeparator' and model.sample_rate == 16000"
    for command in (["-c", shown("python") + known], infer[1:]):
        used = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=CPU, capture_output=True, text=True
        )
        assert used.returncode == 0, used.stderr
        heard = read(tmp_path / "street_est1.wav")
        torch.testing.assert_close(heard, expected(model_dir, street, 1), rtol=1e-3, atol=1e-4)
        (tmp_path / "street_est1.wav").unlink()


def test_asteroids_command_separates(model_dir: Path, mixture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pth"
    assert export_asteroid(model_dir, out, classes="Speech,Siren") == ["Speech", "Siren"]
    command = [sys.executable, "-m", "uss_plugins.exporting.asteroid_infer", str(out)]
    options = ["--files", str(mixture), "--resample", "--output-dir", str(tmp_path), "-d", "cpu"]
    inferred = subprocess.run([*command, *options], capture_output=True, text=True)
    assert inferred.returncode == 0, inferred.stderr
    heard = torch.stack([read(tmp_path / f"mixture_est{n}.wav") for n in (1, 2)])
    both = torch.stack([expected(model_dir, mixture, n) for n in (0, 1)])
    # Asteroid scales all sources by one factor, so they are compared by their shapes.
    torch.testing.assert_close(
        heard / heard.norm(dim=1, keepdim=True),
        both / both.norm(dim=1, keepdim=True),
        rtol=1e-3,
        atol=1e-4,
    )


def test_the_installed_script_runs_in_a_process_that_knows_the_class(
    model_dir: Path, mixture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.pth"
    export_asteroid(model_dir, out, classes="Siren")
    script = shutil.which("asteroid-infer", path=str(Path(sys.executable).parent))
    assert script is not None
    known = (
        "import runpy, sys, uss_plugins.exporting.asteroid_model;"
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    inferred = subprocess.run(
        [sys.executable, "-c", known, script, str(out), "--files", str(mixture)],
        capture_output=True,
        text=True,
        env=CPU,
    )
    assert inferred.returncode == 0, inferred.stderr
    heard = read(tmp_path / "mixture_est1.wav")
    torch.testing.assert_close(heard, expected(model_dir, mixture, 1), rtol=1e-3, atol=1e-4)


def test_the_file_holds_nothing_but_plain_values(model_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pth"
    export_asteroid(model_dir, out, classes="Siren")
    conf = torch.load(out, weights_only=True)
    assert conf["model_name"] == "FixedQuerySeparator"
    assert conf["model_args"]["sources"] == ["Siren"]
    assert torch.equal(conf["state_dict"]["conditions"], torch.eye(3)[1:2])


def test_a_recording_can_be_the_query(model_dir: Path, mixture: Path, tmp_path: Path) -> None:
    assert export_asteroid(model_dir, tmp_path / "out.pth", query_files=[mixture]) == ["mixture"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --classes or --query"),
        (("--classes", "Speach"), "Speech"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    model_dir: Path, tmp_path: Path, run_cli: RunCli, options: tuple[str, ...], message: str
) -> None:
    out = tmp_path / "out.pth"
    refused = run_cli("export", "asteroid", model_dir, out, *options)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not out.exists()
