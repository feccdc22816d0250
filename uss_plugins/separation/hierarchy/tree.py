"""`tree.json`: what was separated of one recording, node by node.

input                 path of the recording
sample_rate, channels, samples, duration_seconds
settings              levels, nodes (as named), threshold, top, min_seconds, first_parent, segment_seconds,
                      overlap_seconds, consistent
segments              start_seconds, end_seconds of each; neighbours overlap
nodes                 those separated and all their ancestors, in the ontology's order:
    id, name          machine id (or the model's own) and name
    level             1 for a root; of a node with several parents by the shortest way
    parents           ids of the nodes right above, which are all in this list
    classes           names of the model's classes at or below it
    class_ids         their ids
    spans             where it is active: start_seconds, end_seconds, the largest probability within
    probabilities     of each segment, the largest of its classes
    probability       the largest of these
    energy_share      energy of its file over that of the recording; shares of a level need not add up to 1
    file              relative to this one; null for an ancestor that was not asked for, whose
                      energy_share is null too
residuals             level -> file, energy_share of what that level's nodes leave; empty if not asked for
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uss_plugins.audio.files import AudioFileError
from uss_plugins.files import write_text
from uss_plugins.separation.hierarchy.plan import Plan, PlannedNode
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.outputs import WrittenFile
from uss_plugins.separation.recording import Separation, Settings

TREE = "tree.json"


def describe_tree(
    model: UniversalSeparator, plan: Plan, separation: Separation, settings: Settings
) -> dict[str, Any]:
    """The tree in plain values."""
    heard, files = plan.heard, {f.name: f for f in separation.outputs if not f.residual}
    return {
        "input": str(separation.path.resolve()),
        "sample_rate": separation.sample_rate,
        "channels": separation.channels,
        "samples": separation.samples,
        "duration_seconds": heard.duration_seconds,
        "settings": describe_settings(plan, settings),
        "segments": [
            {"start_seconds": float(start), "end_seconds": float(end)}
            for start, end in zip(heard.starts, heard.ends, strict=True)
        ],
        "nodes": [
            {
                **describe_node(model, plan, one),
                **_describe_file(files.get(one.output or ""), separation),
            }
            for one in plan.nodes
        ],
        "residuals": {
            file.path.parent.name.removeprefix("level="): _describe_file(file, separation)
            for file in separation.outputs
            if file.residual
        },
    }


def describe_settings(plan: Plan, settings: Settings) -> dict[str, Any]:
    """What was asked for."""
    selection = asdict(plan.selection)
    return {
        "levels": list(selection.pop("levels")),
        "nodes": list(selection.pop("names")),
        **selection,
        "segment_seconds": settings.segment_seconds,
        "overlap_seconds": settings.fade_seconds,
        "consistent": settings.consistent,
    }


def describe_node(model: UniversalSeparator, plan: Plan, one: PlannedNode) -> dict[str, Any]:
    """A node and where it is heard."""
    return {
        "id": one.node.id,
        "name": one.node.name,
        "level": one.node.level,
        "parents": list(one.node.parents),
        "classes": [model.class_names[index] for index in one.node.classes],
        "class_ids": [model.class_ids[index] for index in one.node.classes],
        "spans": [asdict(span) for span in one.spans(plan.heard)],
        "probabilities": one.probabilities.tolist(),
        "probability": float(one.probabilities.max()),
    }


def write_tree(tree: dict[str, Any], folder: Path) -> None:
    """Write `tree.json`, whole or not at all."""
    try:
        write_text(folder / TREE, json.dumps(tree, indent=1) + "\n")
    except OSError as error:
        raise AudioFileError(
            f"{folder / TREE}: cannot be written ({error.strerror}); check the folder and its disk"
        ) from None


def _describe_file(file: WrittenFile | None, separation: Separation) -> dict[str, Any]:
    if file is None:
        return {"energy_share": None, "file": None}
    # Both as written; a gain over all files leaves the recording as it was.
    share = file.energy / separation.gain**2 / separation.energy if separation.energy else 0.0
    return {
        "energy_share": share,
        "file": file.path.relative_to(separation.folder).as_posix(),
    }
