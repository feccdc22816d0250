"""The full ontology walk: every node of levels 1 to 3 active, in a 10-s recording.

Its figures: how many segments the query net was given, and in how many calls (as many segments as the
recording has, whatever the number of nodes); nodes; and estimates, how often the separator ran on one
segment. The released system's tree has 299 nodes, walked in its segments of 2 s; the graph with all parents
has 319, walked in the default ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from measuring import Measure
from torch import nn

from uss_plugins.benchmarking.measures import parameter_count
from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.labels.audioset import classes
from uss_plugins.query_nets.panns import cnn_small
from uss_plugins.separation.hierarchy.conditions import NodeConditions
from uss_plugins.separation.hierarchy.plan import Selection
from uss_plugins.separation.hierarchy.walk import plan_recording
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.precision import choose_precision
from uss_plugins.separation.recording import Settings, separate_recording
from uss_plugins.separators.resunet import resunet_small

SECONDS, RATE = 10.0, 16000


class CountsSegments:
    """Counts the segments that a query net is given."""

    def __init__(self, query_net: nn.Module) -> None:
        self.segments = self.calls = 0
        query_net.register_forward_hook(self._count)

    def _count(self, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: object) -> None:
        self.calls += 1
        self.segments += len(inputs[0])


@pytest.mark.benchmark(group="ontology walk, levels 1 to 3")
@pytest.mark.parametrize(
    ("first_parent", "segment_seconds"),
    [(True, 2.0), (False, 10.0)],
    ids=["released_tree", "graph"],
)
def test_all_nodes_of_three_levels(
    measure: Measure, tmp_path: Path, first_parent: bool, segment_seconds: float
) -> None:
    torch.manual_seed(0)
    names = tuple(one.name for one in classes())
    model = UniversalSeparator(
        cnn_small(RATE, names),
        SoftEmbedding(len(names)),
        resunet_small(condition_size=len(names), stage_channels=[8, 8, 16, 16]),
        class_ids=[one.machine_id for one in classes()],
    ).eval()
    model.prepare(choose_precision("auto"))
    counter = CountsSegments(model.query_net)
    path = tmp_path / "noise.wav"
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, round(SECONDS * RATE))
    soundfile.write(path, noise, RATE)
    settings = Settings(segment_seconds=segment_seconds, overlap_seconds=0.0, batch_size=8)
    selection = Selection(levels=(1, 2, 3), threshold=0.0, first_parent=first_parent)

    def walk() -> tuple[int, int]:
        plan = plan_recording(model, path, selection, settings)
        conditions = NodeConditions(model, plan)
        folder = tmp_path / "out"
        separate_recording(model, path, conditions, folder, settings, places=plan.places)
        return len(plan.outputs), sum(plan.estimate_counts())

    rounds: list[tuple[int, int]] = []
    measure.benchmark.pedantic(lambda: rounds.append(walk()), rounds=1)
    ((nodes, estimates),) = rounds
    segments = round(SECONDS / segment_seconds)
    assert nodes == (299 if first_parent else 319)
    assert counter.segments == segments
    measure.note(
        f"{'released tree' if first_parent else 'graph'}, segments of {segment_seconds:g} s",
        parameter_count=parameter_count(model),
        seconds=measure.median,
        audio_seconds=SECONDS,
        figures={
            "nodes": nodes,
            "estimates": estimates,
            "tagger_segments": counter.segments,
            "tagger_calls": counter.calls,
        },
    )
