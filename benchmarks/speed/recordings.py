"""From file to file: one class of a recording, and the walk over the ontology."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from baseline import PlainTagger, separate_class, separate_node

from speed.networks import RATE, make_model, noise, plain_parts
from speed.timing import ratio, seconds_of, warm_up_of
from uss_plugins.cli.separate_options import CUDA_BATCH_SIZE
from uss_plugins.separation.hierarchy.conditions import NodeConditions
from uss_plugins.separation.hierarchy.detection import listen_to_recording
from uss_plugins.separation.hierarchy.nodes import model_nodes
from uss_plugins.separation.hierarchy.plan import Plan, Selection, make_plan, nodes_of
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.precision import choose_precision
from uss_plugins.separation.queries import classes_query
from uss_plugins.separation.recording import Settings, separate_recording

RECORDING_SECONDS = 48
"""Three times eight segments of 2 s, or five of 10.23 s that fade over half a second: hardly any filler."""

WALK_SECONDS, WALK_SAMPLED_SECONDS, ACTIVE_NODES = 60, 12, 40


def batch_size(device: torch.device) -> int:
    """How many segments `uss-plugins separate` deals with at once by default."""
    return 1 if device.type == "cpu" else CUDA_BATCH_SIZE


def default_row(device: torch.device, *, bank: bool) -> dict[str, Any]:
    """One class of a recording, as `uss-plugins separate --classes` does by default.

    bank: with the query bank of a trained model; without, as of imported weights, the tagger is asked for the
        condition.
    """
    model = make_model(device)
    if bank:
        model.query_bank.copy_(torch.eye(len(model.class_names)))
    tagger, plain = plain_parts(model, device)
    precision = choose_precision("auto", device)
    model.prepare(precision)
    sought = most_probable(tagger, device)
    settings = Settings(batch_size=batch_size(device))
    with tempfile.TemporaryDirectory() as folder:
        path, written = Path(folder) / "recording.wav", Path(folder) / "plain.wav"
        soundfile.write(path, noise(RECORDING_SECONDS * RATE).numpy(), RATE)

        def run_plain() -> None:
            audio = torch.from_numpy(soundfile.read(path, dtype="float32")[0]).to(device)
            estimate = separate_class(tagger, plain, audio, [sought])
            soundfile.write(written, estimate.cpu().numpy(), RATE)

        def run() -> None:
            conditions = classes_query(model, model.class_ids[sought])
            separate_recording(model, path, conditions, Path(folder) / "out", settings)

        seconds = seconds_of(run_plain, run, device=device)
    return ratio(*seconds, precision=str(precision), recording_seconds=RECORDING_SECONDS)


def most_probable(tagger: PlainTagger, device: torch.device) -> int:
    """The class that an untrained tagger hears most of in noise: surely over the threshold."""
    with torch.no_grad():
        return int(tagger(noise(1, 2 * RATE).to(device)).argmax())


def walk_row(device: torch.device) -> dict[str, Any]:
    """Levels 1 to 3 with some active nodes: each side measured in part, one after the other, and multiplied.

    The plain walk tags each segment for each node of the tree, and separates it if the node is active. Both
    are timed for one node and segment, and multiplied by how often it does them. Ours runs once over a part
    of the recording as a whole, from listening to the written files.
    """
    model = make_model(device)
    separating, tagging = plain_walk_seconds(model, device)
    nodes = model_nodes(model.class_names, model.class_ids, first_parent=True).values()
    in_tree = sum(node.level <= 3 for node in nodes)
    segments = WALK_SECONDS // 2
    plain_seconds = segments * (ACTIVE_NODES * separating + (in_tree - ACTIVE_NODES) * tagging)
    sampled, plan = walk_part(model, device)
    assert len(plan.outputs) == ACTIVE_NODES
    times = WALK_SECONDS / WALK_SAMPLED_SECONDS
    return ratio(
        plain_seconds,
        sampled * times,
        nodes_in_tree=in_tree,
        active_nodes=ACTIVE_NODES,
        estimates=round(sum(plan.estimate_counts()) * times),
        plain_separating_seconds=separating,
        plain_tagging_seconds=tagging,
        measured_part_seconds=WALK_SAMPLED_SECONDS,
    )


def plain_walk_seconds(model: UniversalSeparator, device: torch.device) -> list[float]:
    """What an active node and one that is not take the plain walk, in one segment."""
    tagger, plain = plain_parts(model, device)
    segment = noise(2 * RATE).to(device)
    everything = list(range(len(model.class_names)))
    with torch.inference_mode():
        return seconds_of(
            lambda: separate_node(tagger, plain, segment, everything),
            lambda: tagger(segment[None]),
            device=device,
        )


def walk_part(model: UniversalSeparator, device: torch.device) -> tuple[float, Plan]:
    """Seconds of our walk over a part of the recording, and its plan."""
    model.prepare(choose_precision("auto", device))
    settings = Settings(2.0, overlap_seconds=0.0, batch_size=batch_size(device))
    plans: list[Plan] = []
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "recording.wav", Path(folder) / "out"
        soundfile.write(path, noise(WALK_SAMPLED_SECONDS * RATE).numpy(), RATE)

        def run() -> None:
            plans.append(plan_of(model, path, settings))
            conditions = NodeConditions(model, plans[-1])
            separate_recording(model, path, conditions, out, settings, places=plans[-1].places)

        warm_up = 0 if device.type == "cpu" else warm_up_of(device)  # a whole walk takes minutes
        (seconds,) = seconds_of(run, device=device, rounds=1, warm_up=warm_up)
    return seconds, plans[-1]


def plan_of(model: UniversalSeparator, path: Path, settings: Settings) -> Plan:
    """What is heard, with other probabilities than the untrained tagger's: a set number of nodes sounds.

    Classes all over the tree are raised over the threshold, one after the other.
    """
    heard = listen_to_recording(model, path, settings)
    selection = Selection(levels=(1, 2, 3))
    members = [set(n.classes) for n in nodes_of(model, selection).values() if n.level <= 3]
    loud: set[int] = set()
    for index in np.random.default_rng(0).permutation(len(model.class_names)).tolist():
        more = loud | {index}
        if sum(bool(own & more) for own in members) <= ACTIVE_NODES:
            loud = more
    heard.probabilities[:] = 0.01
    heard.probabilities[:, sorted(loud)] = 0.5
    return make_plan(model, heard, selection)
