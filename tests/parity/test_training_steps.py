"""Three training steps from weakly labelled clips: losses and gradient norms of the released system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from parity.hashfill import fill, waveform

from uss_plugins.compose import build_model
from uss_plugins.corpora.anchors import cut_segment, largest_area_start
from uss_plugins.query_nets.panns import Panns, cnn14_decision_level_max
from uss_plugins.recipe import Recipe, parse_recipe
from uss_plugins.separation.importing.names import released_separator_name
from uss_plugins.training.batches import SegmentBatch
from uss_plugins.training.losses import find_loss
from uss_plugins.training.systems import SeparationSystem

DATA = Path(__file__).parent / "data"
CASE = json.loads((DATA / "expected.json").read_text())["training_steps"]
SAMPLE_RATE = 32000
RECIPE = {
    "corpus": {"name": "manifest"},
    "query_net": {"name": "cnn14"},
    "embedding": {"name": "soft"},
    "separator": {"name": "resunet30"},
    "tagger": {"steps": 1, "validate_every": 1},
    "mixing": {"sources": CASE["mix_num"], "disjoint": False},
    "training": {
        "steps": CASE["steps"],
        "validate_every": CASE["steps"],
        "batch_size": CASE["batch"],
        "optimiser": {"learning_rate": CASE["learning_rate"]},
    },
}


@torch.no_grad()
def mined(detector: Panns, clips: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """The anchor segment of each clip (batch, samples), for the class it is labelled with."""
    frames = detector(clips).frame_probabilities
    assert frames is not None
    assert detector.frames_per_second is not None
    wanted = torch.stack([frames[row, :, one] for row, one in enumerate(CASE["class_ids"])])
    seconds = recipe.anchors.segment_seconds
    starts = largest_area_start(
        wanted,
        frames_per_second=detector.frames_per_second,
        segment_seconds=seconds,
        clip_samples=clips.shape[1],
        sample_rate=SAMPLE_RATE,
    )
    samples = round(seconds * SAMPLE_RATE)
    pairs = zip(clips.numpy(), starts.tolist(), strict=True)
    return torch.stack(
        [torch.from_numpy(cut_segment(clip, start, samples)) for clip, start in pairs]
    )


def batches(recipe: Recipe) -> Iterator[SegmentBatch]:
    """The anchors of each step's clips."""
    detector = cnn14_decision_level_max()
    fill(detector, "cnn14_decision_level_max.")
    class_index = torch.tensor(CASE["class_ids"])
    for step in range(CASE["steps"]):
        samples = CASE["clip_seconds"] * SAMPLE_RATE
        clips = waveform(f"training_steps/clip{step}", CASE["batch"], samples)
        labels = torch.nn.functional.one_hot(class_index, len(detector.class_names)).bool()
        segments = mined(detector, clips, recipe)
        yield SegmentBatch(segments, class_index, labels, labels.float(), unreadable=0)


def make_system(recipe: Recipe) -> SeparationSystem:
    """The training's own system, with the weights that the numbers belong to."""
    names = cnn14_decision_level_max().class_names
    model = build_model(recipe, names, names)
    fill(model.query_net, "query_net.base.")
    fill(model.separator, "ss_model.", released_separator_name)
    loss = find_loss(recipe.training.loss)
    return SeparationSystem(model.train(), loss, recipe.training, recipe.mixing, recipe.seed)


@pytest.fixture(scope="module")
def steps() -> tuple[list[float], list[float]]:
    """Loss and gradient norm of each step, before its update."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measured_steps()
    finally:
        torch.set_num_threads(threads)


def measured_steps() -> tuple[list[float], list[float]]:
    """The losses, and the gradient norms, of the three steps."""
    recipe = parse_recipe(RECIPE, "training_steps")
    system = make_system(recipe)
    optimiser: Any = system.optimizer
    losses, norms = [], []
    for batch in list(batches(recipe)):
        optimiser.zero_grad()
        loss = system.common_step(batch, 0)
        loss.backward()
        gradients = [p.grad for p in system.model.parameters() if p.grad is not None]
        losses.append(float(loss.detach()))
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))
        optimiser.step()
    return losses, norms


@pytest.mark.parametrize(("step", "tolerance"), [(0, 1e-4), (1, 1e-3), (2, 1e-3)])
def test_losses(steps: tuple[list[float], list[float]], step: int, tolerance: float) -> None:
    assert steps[0][step] == pytest.approx(CASE["losses"][step], rel=tolerance)


# AdamW's first updates are all but signs of gradients, so rounding grows from step to step: weights that are
# changed by 1e-6 of their size, which is what the released system's convolutional STFT rounds to, move the
# third norm by 1 % and the third loss by 5e-4. Two threads sum in another order than one, and that alone
# moves the third norm from 0.7 to 1.1 % off: hence one thread.
@pytest.mark.parametrize(("step", "tolerance"), [(0, 1e-4), (1, 1e-3), (2, 1e-2)])
def test_gradient_norms(
    steps: tuple[list[float], list[float]], step: int, tolerance: float
) -> None:
    assert steps[1][step] == pytest.approx(CASE["gradient_norms"][step], rel=tolerance)
