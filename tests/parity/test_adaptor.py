"""The learnable condition is the released adaptor's, behind the released Cnn14."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from parity.hashfill import fill, relative_error, waveform

from uss_plugins.embeddings.learnable import LearnableEmbedding
from uss_plugins.query_nets.panns import cnn14

DATA = Path(__file__).parent / "data"
CASE = json.loads((DATA / "expected.json").read_text())["adaptor"]


def test_learnable_condition() -> None:
    net = cnn14()
    adaptor = LearnableEmbedding(
        len(net.class_names), net.embedding_size, condition_size=CASE["condition_size"]
    )
    fill(net, "query_net.base.")
    fill(adaptor, "query_net.")
    with torch.no_grad():
        condition = adaptor(net(waveform("adaptor/audio", CASE["batch"], 64000)), None)
    assert relative_error(condition, np.load(DATA / "adaptor.npz")["condition"]) <= 1e-5
