"""The walk through the ontology for one recording: listen, plan, separate, and show what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uss_plugins.audio.files import AudioFileError
from uss_plugins.audio.pipes import is_pipe
from uss_plugins.files import write_text
from uss_plugins.separation.hierarchy.conditions import NodeConditions
from uss_plugins.separation.hierarchy.detection import listen_to_recording
from uss_plugins.separation.hierarchy.plan import Plan, Selection, make_plan
from uss_plugins.separation.hierarchy.report import PAGE_FILE, render_page
from uss_plugins.separation.hierarchy.timeline import TIMELINE, draw_timeline
from uss_plugins.separation.hierarchy.tree import describe_tree, write_tree
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.recording import Separation, Settings, separate_recording

SEGMENT_SECONDS = 2.0
"""As long as an anchor segment in training (paper, section III-F), and fine enough for a timeline."""


@dataclass(frozen=True)
class Walk:
    """What was made of a recording: the plan, its files, and the content of `tree.json`."""

    plan: Plan
    separation: Separation
    tree: dict[str, Any]


def plan_recording(
    model: UniversalSeparator, path: Path, selection: Selection, settings: Settings
) -> Plan:
    """Listen to a recording once and choose what to separate. Raises as the two steps do."""
    if is_pipe(path):
        raise AudioFileError(f"{path}: a pipe, which cannot be read twice; save it as a file")
    return make_plan(model, listen_to_recording(model, path, settings), selection)


def separate_hierarchy(
    model: UniversalSeparator,
    path: Path,
    selection: Selection,
    folder: Path,
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
) -> Walk:
    """Separate the active nodes of a recording into `folder/level=N/NAME`, and write what tells of them.

    The query net listens once to each segment, before; nodes and segments are then separated in common
    batches of `settings.batch_size`. The recording is read twice, and is never in memory as a whole.

    Raises:
        AudioFileError: the recording cannot be read, or an output not written.
        UserError: a node or level that the model does not have, or settings that do not fit.
    """
    plan = plan_recording(model, path, selection, settings)
    conditions = NodeConditions(model, plan)
    # Where nothing is heard there is no level for a residual.
    settings = replace(settings, residual=settings.residual and bool(plan.outputs))
    separation = separate_recording(
        model, path, conditions, folder, settings, progress, places=plan.places
    )
    tree = describe_tree(model, plan, separation, settings)
    write_tree(tree, folder)
    try:
        draw_timeline(tree, folder / TIMELINE)
        write_text(folder / PAGE_FILE, render_page(tree, folder))
    except OSError as error:
        raise AudioFileError(
            f"{folder}: the report cannot be written ({error.strerror}); check the folder and its disk"
        ) from None
    return Walk(plan, separation, tree)
