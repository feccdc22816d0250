"""The ontology walk of the verb `separate`: `--levels`, `--node`, and the dry run `--plan`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uss_plugins.cli.separate_files import Progress, SeparateOne, for_each

if TYPE_CHECKING:
    from uss_plugins.separation.hierarchy.cost import Cost
    from uss_plugins.separation.hierarchy.plan import Plan, Selection
    from uss_plugins.separation.model import UniversalSeparator
    from uss_plugins.separation.recording import Separation, Settings


def nodes_separator(
    model: UniversalSeparator, selection: Selection, settings: Settings
) -> SeparateOne:
    """What separates the active nodes of one recording.

    Raises:
        UserError: a node or level that the model does not have.
    """
    from uss_plugins.separation.hierarchy.plan import check_selection
    from uss_plugins.separation.hierarchy.report import PAGE_FILE
    from uss_plugins.separation.hierarchy.timeline import TIMELINE
    from uss_plugins.separation.hierarchy.tree import TREE
    from uss_plugins.separation.hierarchy.walk import separate_hierarchy

    check_selection(model, selection)

    def separate_one(
        path: Path, folder: Path, progress: Progress | None
    ) -> tuple[Separation, dict[str, Path]]:
        walk = separate_hierarchy(model, path, selection, folder, settings, progress)
        names = {"tree": TREE, "timeline": TIMELINE, "report": PAGE_FILE}
        return walk.separation, {what: folder / name for what, name in names.items()}

    return separate_one


def plan_nodes(
    files: Sequence[Path],
    model: UniversalSeparator,
    selection: Selection,
    settings: Settings,
    as_json: bool,
) -> int:
    """Say what would be separated of each recording and how long it would take; nothing is written."""
    from uss_plugins.separation.hierarchy.cost import estimate_cost
    from uss_plugins.separation.hierarchy.plan import check_selection
    from uss_plugins.separation.hierarchy.tree import describe_node
    from uss_plugins.separation.hierarchy.walk import plan_recording

    check_selection(model, selection)

    def plan_one(path: Path) -> dict[str, Any]:
        plan = plan_recording(model, path, selection, settings)
        cost = estimate_cost(model, plan, settings)
        nodes = [describe_node(model, plan, one) for one in plan.outputs.values()]
        if not as_json:
            click.echo(describe_plan(path, plan, cost, nodes))
        return {
            "input": str(path.resolve()),
            "duration_seconds": plan.heard.duration_seconds,
            "segments": len(plan.heard.starts),
            "estimates": cost.estimates,
            "batches": cost.batches,
            "estimated_seconds": cost.total_seconds,
            "nodes": nodes,
        }

    return for_each(files, plan_one, as_json)


def describe_plan(path: Path, plan: Plan, cost: Cost, nodes: Sequence[dict[str, Any]]) -> str:
    """A plan for people."""
    heard = plan.heard
    lines = [
        f"{path}: {heard.duration_seconds:.1f} s in {len(heard.starts)} segments; {len(nodes)} nodes"
        f" from {cost.estimates} estimates in {cost.batches} batches; about"
        f" {cost.total_seconds:.1f} s (listening {cost.listening_seconds:.1f} s, separating"
        f" {cost.separating_seconds:.1f} s, writing {cost.writing_seconds:.1f} s)"
    ]
    for level in sorted({node["level"] for node in nodes}):
        lines.append(f"  level {level}")
        for node in nodes:
            if node["level"] == level:
                spans = ", ".join(
                    f"{span['start_seconds']:.1f}-{span['end_seconds']:.1f} s"
                    for span in node["spans"]
                )
                lines.append(
                    f"    {node['probability']:.2f}  {node['name']}: {spans or 'never heard'}"
                )
    if not nodes:
        lines.append("  nothing was heard; lower --threshold")
    return "\n".join(lines)
