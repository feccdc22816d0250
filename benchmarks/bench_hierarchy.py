"""The full ontology walk: every node of levels 1 to 3 active, in a short recording.

Its figures: how many segments the query net was given, in how many calls, and how many seconds of audio
they were (as many segments as the recording has, whatever the number of nodes); nodes; and estimates, how
often the separator ran on one segment. The released system's tree has 299 nodes, walked in its segments of
2 s, which do not overlap and of which zeros fill the last; the graph with all parents has 319, walked in the
overlapping segments that `uss-plugins separate --levels` takes by default.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch
from installed_components import Build
from measuring import Measure
from torch import Tensor

from registry.contracts import QueryOutput
from uss_plugins.benchmarking.measures import parameter_count
from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.labels.audioset import classes
from uss_plugins.query_nets.panns import cnn_small
from uss_plugins.separation.hierarchy.conditions import NodeConditions
from uss_plugins.separation.hierarchy.plan import Selection
from uss_plugins.separation.hierarchy.walk import SEGMENT_SECONDS, plan_recording
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.precision import choose_precision
from uss_plugins.separation.recording import Settings, separate_recording
from uss_plugins.separators.resunet import resunet_small

RATE, BATCH_SIZE = 16000, 8
RELEASED = Settings(segment_seconds=2.0, overlap_seconds=0.0, batch_size=BATCH_SIZE)
DEFAULT = Settings(segment_seconds=SEGMENT_SECONDS, batch_size=BATCH_SIZE)


class CountsSegments:
    """Counts the segments that a model listens to, whichever form its query net has."""

    def __init__(self, model: UniversalSeparator) -> None:
        self.segments = self.calls = self.samples = 0
        self._listen = model.listen
        model.listen = self  # type: ignore[method-assign]

    def __call__(self, audio: Tensor) -> QueryOutput:
        """Listen."""
        self.calls += 1
        self.segments += len(audio)
        self.samples += audio.numel()
        return self._listen(audio)


@pytest.mark.benchmark(group="ontology walk, levels 1 to 3")
@pytest.mark.parametrize(
    ("what", "first_parent", "settings"),
    [
        (f"released tree, segments of {RELEASED.segment_seconds:g} s", True, RELEASED),
        (f"graph, overlapping segments of {DEFAULT.segment_seconds:g} s", False, DEFAULT),
    ],
    ids=["released_tree", "graph"],
)
def test_all_nodes_of_three_levels(
    measure: Measure,
    build: Build,
    audio_seconds: float,
    tmp_path: Path,
    what: str,
    first_parent: bool,
    settings: Settings,
) -> None:
    torch.manual_seed(0)
    names = tuple(one.name for one in classes())
    model = UniversalSeparator(
        cnn_small(RATE, names),
        SoftEmbedding(len(names)),
        resunet_small(condition_size=len(names), stage_channels=[8, 8, 16, 16]),
        class_ids=[one.machine_id for one in classes()],
    )
    model.to(build.device).eval()
    model.prepare(choose_precision("auto", build.device))
    counter = CountsSegments(model)
    path = tmp_path / "noise.wav"
    soundfile.write(path, build.noise(round(audio_seconds * RATE)).cpu().numpy(), RATE)
    selection = Selection(levels=(1, 2, 3), threshold=0.0, first_parent=first_parent)

    def walk() -> tuple[int, int, int]:
        plan = plan_recording(model, path, selection, settings)
        conditions = NodeConditions(model, plan)
        folder = tmp_path / "out"
        separate_recording(model, path, conditions, folder, settings, places=plan.places)
        return len(plan.outputs), sum(plan.estimate_counts()), len(plan.heard.starts)

    rounds: list[tuple[int, int, int]] = []
    if build.device != "cpu":
        for _ in range(2):  # which load kernels and record graphs
            walk()
        counter.segments = counter.calls = counter.samples = 0
    measure.benchmark.pedantic(lambda: rounds.append(walk()), rounds=1)
    ((nodes, estimates, segments),) = rounds
    assert nodes == (299 if first_parent else 319)
    assert counter.segments == segments
    measure.note(
        what,
        parameter_count=parameter_count(model),
        seconds=measure.median,
        audio_seconds=audio_seconds,
        settings={"batch_size": BATCH_SIZE},
        figures={
            "nodes": nodes,
            "estimates": estimates,
            "tagger_segments": counter.segments,
            "tagger_calls": counter.calls,
            "tagger_audio_seconds": round(counter.samples / RATE, 3),
        },
    )
