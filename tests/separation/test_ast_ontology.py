"""AST, which tags without frames, lets a model walk the ontology by every strategy that knows classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_hub import AST_CONFIG, AST_FEATURES

from uss_plugins.cli import main
from uss_plugins.compose import build_model
from uss_plugins.labels.audioset import classes
from uss_plugins.labels.ontology import at_level
from uss_plugins.recipe import parse_recipe
from uss_plugins.separation.folder import save_model

FIT = {"steps": 1, "validate_every": 1}


@pytest.mark.parametrize("strategy", ["soft", "hard", "latent"])
def test_every_node_of_a_level_is_extracted(
    strategy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = parse_recipe(
        {
            "corpus": {"name": "audioset_csv"},
            "query_net": {"name": "ast", "config": AST_CONFIG, "feature_extractor": AST_FEATURES},
            "embedding": {"name": strategy},
            "separator": {
                "name": "resunet_small",
                "stage_channels": [4, 4],
                "window_size": 256,
                "hop_size": 128,
            },
            "tagger": FIT,
            "training": FIT,
        },
        "tests",
    )
    names, ids = zip(*((one.name, one.machine_id) for one in classes()), strict=True)
    model = build_model(recipe, names, ids)
    assert model.condition_size == {"soft": 527, "hard": 527, "latent": 16}[strategy]
    torch.nn.init.uniform_(model.query_bank, 0.1, 1.0)
    save_model(model, tmp_path / "model", recipe)
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, 16000)
    soundfile.write(tmp_path / "x.wav", audio, 16000)
    options = ["--levels", "1", "--threshold", "0", "--output-dir", str(tmp_path / "out"), "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["separate", str(tmp_path / "x.wav"), "--model", str(tmp_path / "model"), *options])
    captured = capsys.readouterr()
    assert (ended.value.code, captured.err) == (0, "")
    (recording,) = json.loads(captured.out)["recordings"]
    found = {one["name"] for one in recording["outputs"]}
    assert {f"level=1/{node.name}" for node in at_level(1)} <= found
