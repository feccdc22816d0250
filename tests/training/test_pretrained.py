"""Recipes whose nets come with weights: stage 1 is passed over, and mistakes are named."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from registry.errors import UserError
from uss_plugins.compose import build_corpus, build_query_net, settle_sample_rate
from uss_plugins.files import write_text
from uss_plugins.recipe import dump_recipe, parse_recipe
from uss_plugins.separation.folder import (
    CLASSES,
    RECIPE,
    WEIGHTS,
    load_model,
    load_query_net,
    save_weights,
    write_classes,
)
from uss_plugins.training.devices import Devices
from uss_plugins.training.experiment import Experiment
from uss_plugins.training.pretrained import check_nets
from uss_plugins.training.stages.separator import train_separator
from uss_plugins.training.stages.tagger import train_tagger

NET = {"name": "cnn_small", "channels": [4, 4], "embedding_size": 8, "sample_rate": 8000}
FIT = {"steps": 1, "validate_every": 1, "batch_size": 2, "validation_batches": 1}
TREE: dict[str, Any] = {
    "corpus": {
        "name": "synthetic",
        "sample_rate": 8000,
        "clip_seconds": 2.0,
        "classes": ["Speech", "Siren", "Bark"],
        "splits": {split: {"clips": 6} for split in ("train", "valid", "test")},
    },
    "query_net": NET,
    "embedding": {"name": "soft"},
    "separator": {
        "name": "resunet_small",
        "sample_rate": 8000,
        "stage_channels": [4, 4],
        "window_size": 256,
        "hop_size": 64,
    },
    "anchors": {"segment_seconds": 0.5},
    "training": FIT,
}


def changed(**sections: Any) -> Any:
    return parse_recipe({**copy.deepcopy(TREE), **sections}, "tests")


def tagger(folder: Path, net: dict[str, Any], names: tuple[str, ...], seed: int) -> Path:
    """A tagger's folder with random weights."""
    recipe = changed(query_net=net, tagger=FIT)
    torch.manual_seed(seed)
    write_text(folder / RECIPE, dump_recipe(recipe))
    write_classes(folder / CLASSES, names, names)
    save_weights(build_query_net(recipe, names), folder / WEIGHTS)  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="module")
def corpus_names() -> tuple[str, ...]:
    return build_corpus(changed(tagger=FIT), "valid").class_names


def test_both_nets_with_weights_pass_stage_one_over(tmp_path: Path, corpus_names) -> None:
    query = tagger(tmp_path / "query", NET, corpus_names, 1)
    wide = {**NET, "channels": [6, 6]}
    detector = tagger(tmp_path / "detector", wide, ("Rain", *reversed(corpus_names)), 2)
    recipe = changed(
        query_net={**NET, "weights": str(query)}, detector={**wide, "weights": str(detector)}
    )
    folder = tmp_path / "exp"
    experiment = Experiment(recipe, folder, folder, Devices("cpu"))
    assert train_tagger(experiment) == {"weights": str(detector), "seconds": 0.0}
    train_separator(experiment)
    assert not (folder / "tagger").exists()
    trained = load_model(folder / "model").query_net.state_dict()
    given = load_query_net(query).state_dict()
    assert trained.keys() == given.keys()
    assert all(torch.equal(trained[key], given[key]) for key in given)


def test_stage_one_trains_the_detector_where_it_has_no_weights(
    tmp_path: Path, corpus_names
) -> None:
    query = tagger(tmp_path / "query", NET, corpus_names, 1)
    recipe = changed(
        query_net={**NET, "weights": str(query)},
        detector={"name": "cnn_small", "channels": [6, 6], "embedding_size": 8},
        tagger=FIT,
    )
    recipe = settle_sample_rate(recipe, 8000)
    experiment = Experiment(recipe, tmp_path / "exp", tmp_path / "exp", Devices("cpu"))
    train_tagger(experiment)
    assert experiment.tagger_folder == tmp_path / "exp" / "tagger"
    trained = load_query_net(experiment.tagger_folder).state_dict()
    wider = build_query_net(recipe.of_tagger(), corpus_names).state_dict()  # type: ignore[attr-defined]
    assert {key: value.shape for key, value in trained.items()} == {
        key: value.shape for key, value in wider.items()
    }


def test_a_net_without_weights_and_training_is_named(corpus_names) -> None:
    with pytest.raises(UserError, match=r"no section 'tagger'.*query_net"):
        check_nets(changed(), corpus_names)
    with pytest.raises(UserError, match=r"stage 1 trains the detector.*query_net.weights"):
        check_nets(changed(detector=NET, tagger=FIT), corpus_names)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ({**NET, "name": "cnn14"}, "holds a cnn_small; write query_net.name=cnn_small"),
        ({**NET, "channels": [8, 8]}, r"its channels is \[4, 4\], here \[8, 8\]"),
        ({**NET, "low_frequency": 20.0}, "its low_frequency is 50.0, here 20.0"),
    ],
)
def test_weights_of_another_net_are_refused(tmp_path, corpus_names, net, message) -> None:
    if net["name"] == "cnn14":
        net = {"name": "cnn14"}
    folder = tagger(tmp_path / "query", NET, corpus_names, 1)
    with pytest.raises(UserError, match=message):
        check_nets(changed(query_net={**net, "weights": str(folder)}), corpus_names)


def test_weights_for_other_classes_are_refused(tmp_path, corpus_names) -> None:
    net = {**NET, "weights": str(tagger(tmp_path / "q", NET, ("Rain", *corpus_names[1:]), 1))}
    with pytest.raises(UserError, match="does not know 1 of the classes"):
        check_nets(changed(query_net=net), corpus_names)
    net = {**NET, "weights": str(tagger(tmp_path / "r", NET, corpus_names[::-1], 1))}
    with pytest.raises(UserError, match="in another order"):
        check_nets(changed(query_net=net), corpus_names)


def test_an_unknown_key_of_an_optional_section_gets_its_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown key 'tagger.stepps' \(did you mean steps\?\)"):
        changed(tagger={**FIT, "stepps": 2})


def test_a_folder_that_holds_no_separator_is_refused(tmp_path: Path, corpus_names) -> None:
    recipe = changed(separator={"name": "resunet_small", "weights": str(tmp_path)}, tagger=FIT)
    with pytest.raises(UserError, match=r"separator.weights .*separator.yaml is missing"):
        check_nets(recipe, corpus_names)
