"""`timeline.png`: which nodes are active when, level by level."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uss_plugins.files import written_aside

TIMELINE = "timeline.png"
ROW_INCHES, SIDE_INCHES, WIDTH_INCHES = 0.26, 0.9, 11.0
LONGEST_NAME = 34
COLOURS = ("#1f66b5", "#d68a1f", "#3c8d5a", "#8a4fa3", "#b5423c", "#4f6d7a")


def draw_timeline(tree: Mapping[str, Any], path: Path) -> None:
    """Draw the nodes of a tree that were separated: a row each, a bar for each span of activity.

    A bar is the stronger the more probable the node; on it the probability of each segment is a step.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = sorted((one for one in tree["nodes"] if one["file"]), key=lambda one: one["level"])
    height = SIDE_INCHES + ROW_INCHES * max(3, len(rows))
    figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for row, one in enumerate(rows):
        _draw_row(axes, row, one, tree["segments"])
    axes.set_ylim(max(3, len(rows)) - 0.4, -0.6)
    axes.set_xlim(0, tree["duration_seconds"])
    axes.set_yticks(range(len(rows)), [_label(one) for one in rows], fontsize=8)
    axes.set_xlabel("time (s)", fontsize=9)
    axes.set_title(f"What sounds in {Path(tree['input']).name}", loc="left", fontsize=11)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", color="#e3e0da", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    if not rows:
        axes.text(0.5, 0.5, "nothing was heard", transform=axes.transAxes, ha="center")
    with written_aside(path) as aside:
        figure.savefig(aside, format="png", dpi=130)


def _draw_row(
    axes: Any, row: int, one: Mapping[str, Any], segments: list[dict[str, float]]
) -> None:
    colour = COLOURS[(one["level"] - 1) % len(COLOURS)]
    for span in one["spans"]:
        size = span["end_seconds"] - span["start_seconds"]
        axes.broken_barh(
            [(span["start_seconds"], size)],
            (row - 0.36, 0.72),
            facecolor=colour,
            alpha=0.25 + 0.3 * span["probability"],
            linewidth=0,
        )
    edges = [segment["start_seconds"] for segment in segments] + [segments[-1]["end_seconds"]]
    heights = [row + 0.36 - 0.72 * probability for probability in one["probabilities"]]
    axes.stairs(heights, edges, baseline=None, color=colour, linewidth=1.1)


def _label(one: Mapping[str, Any]) -> str:
    name = one["name"]
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME - 1].rstrip() + "…"
    # A dollar sign would begin a formula.
    return f"{name.replace('$', chr(92) + '$')}  {one['level']}"
