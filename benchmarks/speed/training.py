"""A training step of `resunet30`: the recipe's own system as `fit` runs it, or the plain one in float32."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from speed.networks import RATE, make_model, noise, plain_parts
from speed.timing import seconds_of
from uss_plugins.recipe import MixingSection, TrainingSection
from uss_plugins.training.batches import SegmentBatch
from uss_plugins.training.losses import l1_waveform
from uss_plugins.training.memory import keep_freed_memory
from uss_plugins.training.systems import SeparationSystem

BATCH_SIZE, SEGMENT_SECONDS = 4, 2


def training_row(device: torch.device, *, mine: bool) -> dict[str, Any]:
    """One side only: what ours tells the allocator holds for the rest of a process."""
    if mine:
        keep_freed_memory()
    model = make_model(device).train()
    section = TrainingSection.model_validate(
        {"steps": 1, "validate_every": 1, "batch_size": BATCH_SIZE}
    )
    system: Any = SeparationSystem(model, l1_waveform, section, MixingSection(), seed=0).to(device)
    batch = make_batch(len(model.class_names), device)
    tagger, plain = plain_parts(model, device)
    optimiser = torch.optim.AdamW(model.separator.parameters())
    if mine:
        system.to(memory_format=torch.channels_last)
        optimiser = system.optimizer

    def loss() -> Tensor:
        if mine:
            with torch.autocast(device.type, torch.bfloat16):
                own: Tensor = system.common_step(batch, 0)
            return own
        with torch.no_grad():
            condition = tagger(batch.segments)
        mixture = batch.segments + batch.segments.roll(1, 0)
        estimate = plain(mixture[:, None], condition)[:, 0]
        return (estimate - batch.segments).abs().mean()

    def step() -> None:
        loss().backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return {"seconds": seconds_of(step, device=device, rounds=4, warm_up=2)[0]}


def make_batch(class_count: int, device: torch.device) -> SegmentBatch:
    """Noise of as many classes as there are items."""
    return SegmentBatch(
        noise(BATCH_SIZE, SEGMENT_SECONDS * RATE).to(device),
        torch.arange(BATCH_SIZE).to(device),
        torch.eye(class_count)[:BATCH_SIZE].bool().to(device),
        torch.zeros(BATCH_SIZE, class_count).to(device),
        unreadable=0,
    )
