"""A small model on disk, as training leaves one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from uss_plugins.compose import build_model, settle_sample_rate
from uss_plugins.recipe import parse_recipe
from uss_plugins.separation.folder import save_model

CLASS_NAMES = ("Speech", "Siren", "Male speech, man speaking", "Rock/pop")
CLASS_IDS = ("/m/09x0r", "/m/03kmc9", "/m/05zppz", "/m/rockpop")
FIT = {"steps": 1, "validate_every": 1}
RECIPE = {
    "corpus": {"name": "synthetic"},
    "query_net": {"name": "cnn_small", "channels": [4, 4, 4, 4], "embedding_size": 8},
    "embedding": {"name": "soft"},
    "separator": {
        "name": "resunet_small",
        "stage_channels": [4, 4],
        "window_size": 256,
        "hop_size": 128,
    },
    "tagger": FIT,
    "training": FIT,
}


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained model of four classes at 16 kHz."""
    folder = tmp_path_factory.mktemp("tiny_model")
    recipe = parse_recipe(RECIPE, "tests")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(settle_sample_rate(recipe, 16000), CLASS_NAMES, CLASS_IDS)
    model.query_bank.copy_(torch.eye(len(CLASS_NAMES)))
    save_model(model, folder, recipe)
    return folder
