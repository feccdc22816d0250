"""SpeechBrain's Brain trains a model folder that `uss-plugins separate` takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
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
    "number_of_epochs": "2",
    "embedding_size": "8",
    "encoder_filters": "8",
}


def test_the_brain_trains_what_separate_takes(run_cli: RunCli, tmp_path: Path) -> None:
    overrides = [f"--{key}={value}" for key, value in SMALL.items()]
    trained = subprocess.run(
        [
            *(sys.executable, RECIPE / "train.py", RECIPE / "hparams.yaml"),
            *(f"--output_folder={tmp_path / 'exp'}", "--device=cpu", *overrides),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert trained.returncode == 0, trained.stderr
    assert [line.split(":")[0] for line in trained.stdout.splitlines() if "SDRi" in line] == [
        "epoch 1",
        "epoch 2",
    ]
    model = load_model(tmp_path / "exp" / "model")
    assert model.class_names == ("Speech", "Bark", "Siren")
    assert bool(model.query_bank.any(1).all())
    (checkpoint,) = (tmp_path / "exp" / "save").glob("CKPT*/model.ckpt")
    best = torch.load(checkpoint, weights_only=True)
    ours = model.state_dict()
    assert all(torch.equal(ours[key], best[key]) for key in best if key != "query_bank")

    generator = np.random.default_rng(0)
    for name, seconds in (("street", 2), ("horn", 1)):
        audio = generator.uniform(-0.3, 0.3, seconds * 8000)
        soundfile.write(tmp_path / f"{name}.wav", audio, 8000)
    for query in (("--query", tmp_path / "horn.wav"), ("--classes", "Siren")):
        done = run_cli(
            *("separate", tmp_path / "street.wav", "--model", tmp_path / "exp" / "model", *query),
            *("--output-dir", tmp_path / query[0].strip("-")),
        )
        assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("query/**/horn.*"))) == 1
    assert len(list(tmp_path.glob("classes/**/Siren.*"))) == 1
