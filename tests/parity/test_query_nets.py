"""The two PANNs nets compute what the released ones do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from parity.hashfill import fill, relative_error, waveform

from registry.contracts import QueryOutput
from uss_plugins.query_nets.panns import Panns, cnn14, cnn14_decision_level_max

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text())


def heard(net: Panns, name: str) -> QueryOutput:
    fill(net, name + ".")
    case = EXPECTED[name]
    with torch.no_grad():
        return net(waveform(name + "/audio", case["batch"], case["samples"]))


@pytest.fixture(scope="module")
def tagged() -> QueryOutput:
    return heard(cnn14(), "cnn14")


@pytest.fixture(scope="module")
def detected() -> QueryOutput:
    return heard(cnn14_decision_level_max(), "cnn14_decision_level_max")


def test_cnn14_clip_probabilities(tagged: QueryOutput) -> None:
    reference = np.load(DATA / "cnn14.npz")["clipwise_output"]
    assert relative_error(tagged.clip_probabilities, reference) <= 1e-5


def test_cnn14_embedding(tagged: QueryOutput) -> None:
    reference = np.load(DATA / "cnn14.npz")["embedding"]
    assert relative_error(tagged.embedding, reference) <= 1e-5


def test_cnn14_does_not_detect(tagged: QueryOutput) -> None:
    assert tagged.frame_probabilities is None


def test_decision_level_max_clip_probabilities(detected: QueryOutput) -> None:
    reference = np.load(DATA / "cnn14_decision_level_max.npz")["clipwise_output"]
    assert relative_error(detected.clip_probabilities, reference) <= 1e-5


def test_decision_level_max_frame_probabilities(detected: QueryOutput) -> None:
    stored = np.load(DATA / "cnn14_decision_level_max.npz")
    frames = detected.frame_probabilities
    assert list(frames.shape) == EXPECTED["cnn14_decision_level_max"]["framewise_shape"]
    first_classes = stored["framewise_output_first_8_classes"]
    assert relative_error(frames[..., :8], first_classes) <= 1e-5
    assert relative_error(frames.mean(dim=1), stored["framewise_mean_over_frames"]) <= 1e-5
