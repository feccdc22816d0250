"""SpeechBrain's Brain trains a model folder that `uss-plugins separate` takes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from command_line import RunCli

from uss_plugins.separation.folder import load_model

RECIPE = Path(__file__).parents[2] / "recipes" / "speechbrain"
SMALL = {
    "classes": "[Speech, Siren, Bark]",
    "sample_rate": "8000",
    "train_clips": "9",
    "valid_clips": "6",
    "clip_seconds": "2.0",
    "segment_seconds": "0.5",
    "batch_size": "3",
    "steps_per_epoch": "2",
    "valid_batches": "1",
    "embedding_size": "8",
    "encoder_filters": "8",
}


def train(folder: Path, epochs: int) -> list[str]:
    """Train in `folder`; the epochs that it reports."""
    overrides = [f"--{key}={value}" for key, value in SMALL.items()]
    trained = subprocess.run(
        [
            *(sys.executable, RECIPE / "train.py", RECIPE / "hparams.yaml"),
            *("--device=cpu", *overrides, f"--number_of_epochs={epochs}"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert trained.returncode == 0, trained.stderr
    return [line.split(":")[0] for line in trained.stdout.splitlines() if "SDRi" in line]


def test_the_brain_trains_what_separate_takes(
    run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after an epoch it goes on from there, with its optimiser, and keeps the best of both."""
    assert train(tmp_path, epochs=1) == ["epoch 1"]
    assert train(tmp_path, epochs=2) == ["epoch 2"]
    kept = {
        yaml.safe_load((folder / "CKPT.yaml").read_text())["sdri"]: folder
        for folder in (tmp_path / "exp" / "speechbrain" / "save").glob("CKPT*")
    }
    steps = [
        torch.load(folder / "optimizer.ckpt", weights_only=True)["state"][0]["step"]
        for folder in kept.values()
    ]
    assert max(steps) == 4  # two of each epoch

    model = load_model(tmp_path / "exp" / "speechbrain" / "model")
    assert model.class_names == ("Speech", "Bark", "Siren")
    assert bool(model.query_bank.any(1).all())
    best = torch.load(kept[max(kept)] / "model.ckpt", weights_only=True)
    ours = model.state_dict()
    assert all(torch.equal(ours[key], best[key]) for key in best if key != "query_bank")

    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for name, seconds in (("street", 2), ("horn", 1)):
        audio = generator.uniform(-0.3, 0.3, seconds * 8000)
        soundfile.write(tmp_path / f"{name}.wav", audio, 8000)
    for query in (("--query", "horn.wav"), ("--classes", "Siren")):
        done = run_cli(
            *("separate", "street.wav", "--model", "exp/speechbrain/model", *query),
            *("--output-dir", query[0].strip("-")),
        )
        assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("query/**/horn.*"))) == 1
    assert len(list(tmp_path.glob("classes/**/Siren.*"))) == 1
    shown: dict[str, torch.Tensor] = {}
    readme = (RECIPE / "README.md").read_text(encoding="utf-8")
    exec(re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S)[0], shown)
    assert shown["horns"].shape == (1, 2 * 8000, 1)
