"""What a checkpoint is, by its keys and shapes; nothing of it has values here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from parity.released_checkpoint import shapes

from registry.errors import UserError
from uss_plugins.separation.importing.recipes import recipe_of
from uss_plugins.separation.importing.recognise import FILM, recognise
from uss_plugins.weights.reading import Checkpoint

Shapes = dict[str, tuple[int, ...]]


def checkpoint(sizes: Shapes, name: str = "some.ckpt") -> Checkpoint:
    state = {key: torch.empty(shape, device="meta") for key, shape in sizes.items()}
    return Checkpoint(Path(name), state, ())


def conditioned_on(size: int) -> Shapes:
    """The released shapes, the separator's condition of another size."""
    return {
        key: (shape[0], size) if "->" in key and key.endswith("weight") else shape
        for key, shape in shapes().items()
    }


def panns(prefix: str = "query_net.base.") -> Shapes:
    return {
        key.removeprefix(prefix): shape for key, shape in shapes().items() if key.startswith(prefix)
    }


def test_the_soft_checkpoint() -> None:
    contents = recognise(checkpoint(shapes()))
    assert contents.kind == "system"
    assert contents.embedding == {"name": "soft"}
    assert contents.separator == {"name": "resunet30", "condition_size": 527}
    assert contents.detector


def test_the_latent_checkpoint() -> None:
    contents = recognise(checkpoint(conditioned_on(2048)))
    assert contents.embedding == {"name": "latent"}
    assert contents.separator == {"name": "resunet30", "condition_size": 2048}


@pytest.mark.parametrize(("source", "size"), [("latent", 2048), ("soft", 527)])
def test_a_checkpoint_with_an_adaptor(source: str, size: int) -> None:
    adaptor = {"query_net.fc1.weight": (1024, size), "query_net.fc2.weight": (300, 1024)}
    contents = recognise(checkpoint({**conditioned_on(300), **adaptor}))
    assert contents.embedding == {
        "name": "learnable",
        "source": source,
        "hidden_size": 1024,
        "condition_size": 300,
    }


def test_audioseps_separator() -> None:
    separator = {key: s for key, s in conditioned_on(512).items() if key.startswith("ss_model.")}
    contents = recognise(checkpoint({**separator, "query_encoder.model.x": (4, 4)}))
    assert contents.kind == "separator"
    assert contents.separator == {"name": "resunet30", "condition_size": 512}
    assert not contents.detector


@pytest.mark.parametrize(
    ("name", "query_net", "told_apart"),
    [
        ("Cnn14_mAP=0.431.pth", "cnn14", True),
        ("Cnn14_DecisionLevelMax_mAP=0.385.pth", "cnn14_decision_level_max", True),
        ("weights.pth", "cnn14", False),
    ],
)
def test_panns_files(name: str, query_net: str, told_apart: bool) -> None:
    contents = recognise(checkpoint(panns(), name))
    assert contents.kind == "query net"
    assert contents.query_net == {"name": query_net}
    assert (contents.note is None) is told_apart


def test_the_recipe_has_the_components_and_the_papers_training() -> None:
    recipe = recipe_of(recognise(checkpoint(conditioned_on(2048))))
    assert (recipe.query_net.name, recipe.embedding.name, recipe.separator.name) == (
        "cnn14",
        "latent",
        "resunet30",
    )
    assert recipe.query_net.parameters["sample_rate"] == 32000
    assert recipe.training.optimiser.amsgrad
    assert not recipe.mixing.disjoint


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"layer.weight": (3, 3)}, "not a checkpoint that is known here, with keys such as layer"),
        (conditioned_on(300), "conditions of 300, and the query net has 527 classes"),
        ({**shapes(), FILM: (32, 10**9)}, r"is \(32, 1000000000\), which no network here can be"),
        ({**shapes(), FILM: (32,)}, r"is \(32,\), which no network here can be"),
        ({FILM: (32, 512)}, "ss_model.base.pre_conv.weight is missing"),
    ],
)
def test_what_is_nothing_known(sizes: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        recognise(checkpoint(sizes))
