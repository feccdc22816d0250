"""A training step with every installed separator and every query net that tags, in bf16 where it is native.

The recipe's own systems take the steps: mixing, query, forward, loss, backward, fused AdamW. Only Lightning
and the reading of clips are left out. What `fit` gains by keeping freed memory is not in it: that holds for
the rest of a process, so `bench_freed_memory.py` measures it in others.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from installed_components import CLASS_COUNT, Build
from measuring import Measure
from torch import Tensor, nn

from registry import ComponentSpec, UserError
from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.query_nets.panns import cnn_small
from uss_plugins.recipe import MixingSection, TaggerSection, TrainingSection
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.precision import has_native_bf16
from uss_plugins.training.batches import ClipBatch, SegmentBatch
from uss_plugins.training.losses import neg_snr
from uss_plugins.training.systems import SeparationSystem, StepSeededSystem, TaggerSystem

BATCH_SIZE, SEGMENT_SECONDS = 4, 2.0
CLASSES = tuple(f"class {number}" for number in range(24))
SIZES = {"steps": 1, "validate_every": 1, "batch_size": BATCH_SIZE}


@pytest.mark.benchmark(group="training step, separator")
def test_separator_step(separator: ComponentSpec, build: Build, measure: Measure) -> None:
    net = build(separator, condition_size=len(CLASSES))
    query_net = cnn_small(net.sample_rate, CLASSES)
    model = UniversalSeparator(query_net, SoftEmbedding(len(CLASSES)), net).to(build.device)
    section, mixing = TrainingSection.model_validate(SIZES), MixingSection()
    system = SeparationSystem(model, neg_snr, section, mixing, seed=0)
    batch = SegmentBatch(
        build.noise(BATCH_SIZE, round(SEGMENT_SECONDS * net.sample_rate)),
        torch.arange(BATCH_SIZE, device=build.device),
        torch.eye(len(CLASSES), device=build.device)[:BATCH_SIZE].bool(),
        torch.zeros(BATCH_SIZE, len(CLASSES), device=build.device),
        unreadable=0,
    )
    step_of(system, batch, net, separator, measure)


@pytest.mark.benchmark(group="training step, query net")
def test_query_net_step(query_net: ComponentSpec, build: Build, measure: Measure) -> None:
    net = build(query_net)
    if not net.class_names:
        raise UserError("it tags no classes, so weak labels cannot train it")
    system = TaggerSystem(net, TaggerSection.model_validate(SIZES), seed=0)
    labels = torch.eye(CLASS_COUNT)[:BATCH_SIZE, : len(net.class_names)].to(build.device)
    audio = build.noise(BATCH_SIZE, round(SEGMENT_SECONDS * net.sample_rate))
    step_of(system, ClipBatch(audio, labels, 0), net, query_net, measure)


def step_of(
    system: StepSeededSystem,
    batch: SegmentBatch | ClipBatch,
    net: nn.Module,
    spec: ComponentSpec,
    measure: Measure,
) -> None:
    """Measure the steps of a system, as `uss_plugins.training.fit` has Lightning take them."""
    system.to(memory_format=torch.channels_last).train()
    bf16 = has_native_bf16(torch.device(measure.device))
    measure(
        step(system, batch, torch.device(measure.device).type, bf16),
        spec,
        networks=[net],
        audio_seconds=BATCH_SIZE * SEGMENT_SECONDS,
        settings={"batch_size": BATCH_SIZE, "precision": "bf16" if bf16 else "32"},
    )


def step(
    system: StepSeededSystem, batch: SegmentBatch | ClipBatch, device_type: str, bf16: bool
) -> Callable[[], None]:
    """One step of a system on one batch."""
    optimiser = system.optimizer
    common_step: Callable[..., Tensor] = system.common_step  # type: ignore[assignment]

    def take() -> None:
        torch.manual_seed(0)
        with torch.autocast(device_type, torch.bfloat16, enabled=bf16):
            loss = common_step(batch, 0)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return take
