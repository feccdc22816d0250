"""Folders made of small checkpoints: every value in its place, every key accounted for, or no folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from importing.small_checkpoints import (
    IDS,
    NAMES,
    as_tensor,
    make_model,
    query_net_state,
    save,
    separator_state,
    system_state,
    write_recipe,
)
from parity.released_checkpoint import stft_kernel
from torch import Tensor

from registry.errors import UserError
from uss_plugins.separation.folder import load_model, load_query_net, read_head
from uss_plugins.separation.importing.folders import import_checkpoint
from uss_plugins.separation.importing.separator_folder import load_separator

State = dict[str, Any]
LEARNABLE = {"name": "learnable", "hidden_size": 6, "condition_size": 8}


@pytest.fixture(scope="module")
def state() -> State:
    return system_state(make_model())


def assert_equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("embedding", [{"name": "soft"}, {"name": "latent"}, LEARNABLE])
def test_a_model_has_the_checkpoints_values(embedding: dict[str, Any], tmp_path: Path) -> None:
    model = make_model(embedding=embedding)
    file = save(tmp_path / "some.ckpt", system_state(model))
    output = tmp_path / "nested" / "model"
    imported = import_checkpoint(file, output, recipe=write_recipe(tmp_path, embedding=embedding))
    bank = (
        torch.eye(len(NAMES)) if embedding["name"] == "soft" else torch.zeros_like(model.query_bank)
    )
    assert_equal(load_model(output).state_dict(), {**model.state_dict(), "query_bank": bank})
    assert imported.used + sum(imported.dropped.values()) == len(system_state(model))
    assert imported.dropped == {
        "fixed STFT kernels, equal to the transform's": 4,
        "fixed mel filters, equal to the front end's": 1,
        "fixed inverse STFT kernels, equal to the transform's": 3,
        "second batch norm and FiLM of decoder stages, which nothing reads": 4,
    }
    assert imported.beside == ("epoch", "optimizer_states")


def test_a_model_folder_says_where_it_comes_from(state: State, tmp_path: Path) -> None:
    file = save(tmp_path / "some.ckpt", state)
    import_checkpoint(file, tmp_path / "model", recipe=write_recipe(tmp_path))
    _, names, ids = read_head(tmp_path / "model")
    assert (tuple(names), tuple(ids)) == (NAMES, IDS)
    report = json.loads((tmp_path / "model" / "imported.json").read_text())
    assert report["source"] == "some.ckpt"
    assert report["bytes"] == file.stat().st_size
    assert report["components"] == {
        "query net": "cnn_small",
        "strategy": "soft",
        "separator": "resunet30",
    }


def test_half_precision_becomes_single(state: State, tmp_path: Path) -> None:
    key = "query_net.base.fc1.weight"
    file = save(tmp_path / "some.ckpt", {**state, key: state[key].half()})
    import_checkpoint(file, tmp_path / "model", recipe=write_recipe(tmp_path))
    found = load_model(tmp_path / "model").query_net.state_dict()["fc1.weight"]
    assert torch.equal(found, state[key].half().float())


@pytest.mark.parametrize("layout", ["zip", "before torch 1.6", "bare"])
def test_a_panns_file_makes_a_tagger(layout: str, tmp_path: Path) -> None:
    query_net = make_model().query_net
    weights = query_net_state(query_net)
    file = tmp_path / "net.pth"
    content = weights if layout == "bare" else {"iteration": 5, "model": weights}
    torch.save(content, file, _use_new_zipfile_serialization=layout != "before torch 1.6")
    imported = import_checkpoint(file, tmp_path / "tagger", recipe=write_recipe(tmp_path))
    assert_equal(load_query_net(tmp_path / "tagger").state_dict(), query_net.state_dict())
    assert imported.used + sum(imported.dropped.values()) == len(weights)
    assert imported.components == {"query net": "cnn_small"}


def test_audioseps_separator_comes_alone(tmp_path: Path) -> None:
    separator = make_model().separator
    weights = separator_state(separator)
    beside = {"query_encoder.text.weight": torch.rand(3), "query_encoder.ids": torch.arange(4)}
    file = save(tmp_path / "some.ckpt", {**weights, **beside})
    imported = import_checkpoint(file, tmp_path / "separator", recipe=write_recipe(tmp_path))
    assert imported.dropped["module 'query_encoder', which is no part of the separator"] == 2
    assert imported.used + sum(imported.dropped.values()) == len(weights) + 2
    loaded = load_separator(tmp_path / "separator")
    assert loaded.condition_size == len(NAMES)
    assert_equal(loaded.state_dict(), separator.state_dict())  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="a separator without a query net"):
        load_model(tmp_path / "separator")


def test_a_folder_without_a_separator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"separator.yaml is missing"):
        load_separator(tmp_path)


def changed(key: str, change: Callable[[Tensor], Any]) -> Callable[[State], State]:
    return lambda state: {**state, key: change(state[key])}


def with_nan(value: Tensor) -> Tensor:
    value = value.clone()
    value.view(-1)[0] = torch.nan
    return value


FC, STFT = "query_net.base.fc1.weight", "ss_model.base.stft.conv_real.weight"
BROKEN: dict[str, tuple[Callable[[State], State], str]] = {
    "more": (lambda s: {**s, "extra": torch.ones(3)}, "extra is not known"),
    "more of a known module": (
        lambda s: {**s, "ss_model.base.conv_block9.weight": torch.ones(3)},
        "ss_model.base.conv_block9.weight is not known",
    ),
    "less": (lambda s: {k: v for k, v in s.items() if k != FC}, f"{FC} is missing"),
    "larger": (changed(FC, lambda v: v.repeat(3, 1)), r"fc1.weight is \(15, 4\), not \(5, 4\)"),
    "other axes": (changed(FC, lambda v: v.T), r"fc1.weight is \(4, 5\), not \(5, 4\)"),
    "NaN": (changed(FC, with_nan), "fc1.weight holds values that are not finite"),
    "infinite": (changed(FC, lambda v: v / 0), "fc1.weight holds values that are not finite"),
    "integers": (changed(FC, lambda v: v.long()), "fc1.weight holds torch.int64"),
    "no tensor": (changed(FC, lambda _: "text"), "'query_net.base.fc1.weight' is no dense tensor"),
    "sparse": (changed(FC, lambda v: v.to_sparse()), "fc1.weight' is no dense tensor"),
    "another window": (
        changed(STFT, lambda v: v.roll(1, 2)),
        f"the fixed kernel {STFT} differs from the transform's by",
    ),
    "another STFT": (
        changed(STFT, lambda _: as_tensor(stft_kernel(128, "real"))),
        r"conv_real.weight is \(65, 1, 128\), not \(33, 1, 64\)",
    ),
    "NaN in a kernel": (changed(STFT, with_nan), f"the fixed kernel {STFT} differs"),
    "other overlap-add": (
        changed("ss_model.base.istft.ola_window", lambda v: v.sqrt()),
        "ola_window differs from the transform's",
    ),
    "other inverse": (
        changed("ss_model.base.istft.conv_imag.weight", lambda v: -v),
        "istft.conv_imag.weight differs from the transform's",
    ),
    "other mel filters": (
        changed("query_net.base.logmel_extractor.melW", lambda v: v * 1.001),
        "melW differs from the transform's by 1.0e-03",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_leaves_nothing(name: str, state: State, tmp_path: Path) -> None:
    change, says = BROKEN[name]
    file = save(tmp_path / "some.ckpt", change(state))
    recipe = write_recipe(tmp_path)
    with pytest.raises(UserError, match=says) as caught:
        import_checkpoint(file, tmp_path / "model", recipe=recipe)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == sorted([file, recipe])


def test_an_output_that_is_there_stays_as_it_is(state: State, tmp_path: Path) -> None:
    file = save(tmp_path / "some.ckpt", state)
    output = tmp_path / "model"
    output.mkdir()
    (output / "mine").write_text("precious")
    with pytest.raises(UserError, match="is there already"):
        import_checkpoint(file, output, recipe=write_recipe(tmp_path))
    assert [path.name for path in output.iterdir()] == ["mine"]


def test_a_recipe_of_another_kind_is_refused(state: State, tmp_path: Path) -> None:
    file = save(tmp_path / "some.ckpt", state)
    with pytest.raises(UserError, match=r"and 523 more|of another model"):
        import_checkpoint(
            file, tmp_path / "model", recipe=write_recipe(tmp_path, embedding=LEARNABLE)
        )
    with pytest.raises(UserError, match="--query-net tells the nets of PANNs files apart"):
        import_checkpoint(file, tmp_path / "model", query_net="cnn14")
