"""Real training steps, under Lightning: what moves, what stays, and what is left on disk."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training.two_tones import TwoTones, anchors_of, tones_model, tones_recipe

from uss_plugins.recipe import MixingSection, Recipe
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.training.batches import ClipBatches, SegmentBatches, loaders
from uss_plugins.training.devices import Devices
from uss_plugins.training.fit import FitResult, fit
from uss_plugins.training.losses import find_loss
from uss_plugins.training.systems import SeparationSystem, TaggerSystem

State = dict[str, Tensor]
HARD = {"name": "hard"}
SOFT_ADAPTOR = {"name": "learnable", "source": "soft", "condition_size": 8, "hidden_size": 8}


class Watched(SeparationSystem):
    """Keeps what each step came to: loss, weights, what the gradient reached, its norm before and
    after clipping."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.losses: list[float] = []
        self.weights: list[State] = []
        self.norms: list[tuple[float, float]] = []
        self.reached: list[set[str]] = []

    def training_step(self, batch: Any, batch_nb: int) -> Tensor:
        loss = super().training_step(batch, batch_nb)
        self.losses.append(loss.item())
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.weights.append(snapshot(self.model))

    def configure_gradient_clipping(self, optimizer: Any, *arguments: Any, **named: Any) -> None:
        with_gradient = [
            (name, p) for name, p in self.model.named_parameters() if p.grad is not None
        ]
        self.reached.append({name for name, p in with_gradient if bool(p.grad.any())})
        before = self.gradient_norm()
        super().configure_gradient_clipping(optimizer, *arguments, **named)
        self.norms.append((before, self.gradient_norm()))

    def gradient_norm(self) -> float:
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        return float(torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt())


def snapshot(module: nn.Module) -> State:
    return {key: value.detach().clone() for key, value in module.state_dict().items()}


def changed(before: State, after: State) -> set[str]:
    return {key for key, value in before.items() if not torch.equal(value, after[key])}


def train(
    recipe: Recipe,
    folder: Path,
    model: UniversalSeparator | None = None,
    kind: type[Watched] = Watched,
) -> tuple[Watched, FitResult]:
    corpus, section = TwoTones(), recipe.training
    batches = SegmentBatches(corpus, anchors_of(corpus), section.batch_size, recipe.seed)
    loss = find_loss(section.loss)
    system = kind(model or tones_model(recipe), loss, section, recipe.mixing, recipe.seed)
    result = fit(
        system,
        *loaders(system, batches, batches, section),
        section,
        folder,
        description="test",
        monitor="val_sdri",
        shown={},
        ema_decay=section.ema_decay,
        devices=Devices("cpu"),
    )
    return system, result


def test_separator_and_strategy_move_and_a_frozen_query_net_does_not(tmp_path: Path) -> None:
    recipe = tones_recipe()
    model = tones_model(recipe)
    before = snapshot(model)
    system, _ = train(recipe, tmp_path, model)
    moved = changed(before, system.weights[-1])
    for name, parameter in model.named_parameters():
        part = name.partition(".")[0]
        assert parameter.requires_grad == (part != "query_net")
        assert (name in set.union(*system.reached)) == (part != "query_net")
        assert (name in moved) == (part != "query_net"), name
    assert {name for name, _ in model.embedding.named_parameters()} == {
        f"{layer}.{kind}" for layer in ("fc1", "fc2") for kind in ("weight", "bias")
    }
    assert not [name for name in moved if name.startswith("query_net.")]
    assert changed(before, snapshot(model)) == moved


def test_a_query_net_that_is_to_be_trained_moves_with_its_statistics(tmp_path: Path) -> None:
    recipe = tones_recipe(SOFT_ADAPTOR, train_query_net=True)
    model = tones_model(recipe)
    before = snapshot(model)
    train(recipe, tmp_path, model)
    moved = changed(before, snapshot(model))
    assert {f"query_net.{name}" for name, _ in model.query_net.named_parameters()} <= moved
    statistics = {name for name in before if name.startswith("query_net.") and "running" in name}
    assert statistics
    assert statistics <= moved


def test_loss_falls(tmp_path: Path) -> None:
    system, _ = train(tones_recipe(HARD, steps=40, validate_every=40), tmp_path)
    assert len(system.losses) == 40
    assert sum(system.losses[-5:]) < 0.5 * sum(system.losses[:5])


def test_logs_and_checkpoints_are_left(tmp_path: Path) -> None:
    _, result = train(tones_recipe(steps=6), tmp_path)
    checkpoints = tmp_path / "checkpoints"
    assert {path.name for path in checkpoints.iterdir()} == {"best.ckpt", "last.ckpt"}
    assert result.best == checkpoints / "best.ckpt"
    assert torch.load(checkpoints / "last.ckpt", weights_only=False)["global_step"] == 6
    with (tmp_path / "logs/csv/version_0/metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    validations = [float(row["val_sdri"]) for row in rows if row["val_sdri"]]
    assert len(validations) == len([row for row in rows if row["val_loss"]]) == 3
    assert max(validations) == pytest.approx(result.best_score)
    assert [float(row["lr-AdamW"]) for row in rows if row["lr-AdamW"]] == [0.01] * 3
    assert len([row for row in rows if row["loss"]]) == 3
    (events,) = (tmp_path / "logs/version_0").glob("events.out.tfevents.*")
    assert b"val_sdri" in events.read_bytes()


class Judged(Watched):
    """Its validations come to what the test says."""

    scores: tuple[float, ...] = (1.0, 3.0, float("nan"), 2.0)

    def on_validation_epoch_end(self) -> None:
        self.improvements.clear()
        self.log("val_sdri", self.scores[self.global_step // 2 - 1])


def test_the_result_is_the_best_checkpoint_not_the_last(tmp_path: Path) -> None:
    system, result = train(tones_recipe(HARD, steps=8), tmp_path, kind=Judged)
    assert result.best_score == 3.0
    assert torch.load(result.best, weights_only=False)["global_step"] == 4
    assert changed(system.weights[3], snapshot(system.model)) == set()
    assert changed(system.weights[3], system.weights[-1])


def test_exported_weights_are_the_moving_average(tmp_path: Path) -> None:
    """avg <- decay avg + (1 - decay) w after every step, from the first step's weights on."""
    recipe = tones_recipe(HARD, steps=4, validate_every=4, ema_decay=0.7)
    model = tones_model(recipe)
    untouched = snapshot(model.query_net)
    window = model.query_net.log_mel.window.clone()
    system, _ = train(recipe, tmp_path, model)
    average = {key: value.double() for key, value in system.weights[0].items()}
    for weights in system.weights[1:]:
        average = {key: 0.7 * average[key] + 0.3 * weights[key].double() for key in average}
    exported = snapshot(model)
    floats = [key for key, value in exported.items() if value.is_floating_point()]
    for key in floats:
        torch.testing.assert_close(exported[key].double(), average[key], rtol=1e-5, atol=1e-7)
    assert any(not torch.equal(exported[key], system.weights[-1][key]) for key in floats)
    # What did not move has not been rounded either.
    assert changed(untouched, snapshot(model.query_net)) == set()
    assert torch.equal(model.query_net.log_mel.window, window)


def test_bfloat16_trains_on_the_cpu_with_clipped_gradients(tmp_path: Path) -> None:
    recipe = tones_recipe(precision="bf16", gradient_clip=1e-3)
    model = tones_model(recipe)
    seen: set[torch.dtype] = set()
    first = next(module for module in model.separator.modules() if isinstance(module, nn.Conv2d))
    first.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    before = snapshot(model)
    system, _ = train(recipe, tmp_path, model)
    assert seen == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    for unclipped, clipped in system.norms:
        assert unclipped > 1e-3
        assert clipped == pytest.approx(1e-3, rel=1e-3)
    assert changed(before, system.weights[-1])


def test_a_gradient_within_the_limit_is_left_alone(tmp_path: Path) -> None:
    system, _ = train(tones_recipe(gradient_clip=1e6), tmp_path)
    assert [before for before, _ in system.norms] == [after for _, after in system.norms]


def test_validation_leaves_out_targets_without_interferer() -> None:
    recipe = tones_recipe(HARD)
    corpus = TwoTones()
    model = tones_model(recipe).eval()
    loss = find_loss("l1_waveform")
    system = SeparationSystem(model, loss, recipe.training, MixingSection(sources=2), 0)
    batch = SegmentBatches(corpus, anchors_of(corpus), 6, 0)[0]
    mixed = system.mixed(batch)
    assert mixed.missing == 0
    alone = batch._replace(labels=torch.ones_like(batch.labels))  # all share their classes
    with torch.no_grad():
        system.common_step(batch, 0, train=False)
        system.common_step(alone, 0, train=False)
    assert [len(part) for part in system.improvements] == [6, 0]
    assert system.missing_interferers == 0  # of training only


def test_missing_interferers_are_added_up_where_they_are_and_told_to_a_checkpoint() -> None:
    """A GPU's step would wait for each number; what is saved and taken up again is a plain one."""
    recipe = tones_recipe(HARD)
    corpus = TwoTones()
    loss = find_loss("l1_waveform")
    mixing = MixingSection(sources=2)
    system = SeparationSystem(tones_model(recipe), loss, recipe.training, mixing, 0)
    batch = SegmentBatches(corpus, anchors_of(corpus), 6, 0)[0]
    alone = batch._replace(labels=torch.ones_like(batch.labels))
    for one in (alone, batch, alone):
        system.common_step(one, 0)
        assert isinstance(system.missing_interferers, Tensor)
    checkpoint: dict[str, Any] = {}
    system.on_save_checkpoint(checkpoint)
    assert type(checkpoint["counts"]["missing_interferers"]) is int
    system.on_load_checkpoint(checkpoint)
    system.common_step(alone, 0)
    assert int(system.missing_interferers) == 18


def test_tagger_learns_and_logs_average_precision(tmp_path: Path) -> None:
    recipe = tones_recipe()
    section = recipe.tagger
    assert section is not None
    corpus, query_net = TwoTones(unreadable=[3]), tones_model(recipe).query_net
    query_net.requires_grad_(True)
    before = snapshot(query_net)
    system = TaggerSystem(query_net, section, 0)
    batches = ClipBatches(corpus, section.batch_size, seed=0)
    data = loaders(system, batches, batches, section)
    options: dict[str, Any] = {"description": "test", "monitor": "val_map", "shown": {}}
    result = fit(system, *data, section, tmp_path, devices=Devices("cpu"), **options)
    assert 0 < result.best_score <= 1
    assert {name for name, _ in query_net.named_parameters()} <= changed(
        before, snapshot(query_net)
    )
    assert system.unreadable_count == sum(batches[number].unreadable for number in range(2))
