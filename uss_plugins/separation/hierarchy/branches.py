"""The report's nested list: a row for each node, with activity over time, player and spectrogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from uss_plugins.reporting.figures import svg
from uss_plugins.separation.hierarchy.media import Media

MOST_OPEN = 40
STRIP_WIDTH, STRIP_HEIGHT, STRIP_COLUMNS = 480, 22, 240

Node = Mapping[str, Any]


class Branches:
    """The list. A node with several parents is in all its branches, and has its player in the first."""

    def __init__(self, tree: Mapping[str, Any], folder: Path, media: Media) -> None:
        self._tree, self._folder, self._media = tree, folder, media
        self._children: dict[str, list[Node]] = {}
        for one in tree["nodes"]:
            for parent in one["parents"]:
                self._children.setdefault(parent, []).append(one)
        self._names = {one["id"]: one["name"] for one in tree["nodes"]}
        self._shown: dict[str, str] = {}
        self._all_open = len(tree["nodes"]) <= MOST_OPEN

    def render(self) -> str:
        roots = [one for one in self._tree["nodes"] if not one["parents"]]
        if not roots:
            return "<p>Nothing was heard. A lower <code>--threshold</code> lets more through.</p>"
        return f'<ul class="tree">{"".join(self._branch(one, 1) for one in roots)}</ul>'

    def _branch(self, one: Node, depth: int) -> str:
        first = one["id"] not in self._shown
        place = self._shown.setdefault(one["id"], f"node-{len(self._shown) + 1}")
        below = "".join(
            self._branch(child, depth + 1) for child in self._children.get(one["id"], ())
        )
        css = f"level-{depth}" + ("" if one["file"] else " heading")
        state = " open" if self._all_open or depth == 1 else ""
        return (
            f'<li class="{css}"{f" id={place}" if first else ""}><details{state}>{self._summary(one)}'
            f"{self._body(one, first, place)}{f'<ul>{below}</ul>' if below else ''}</details></li>"
        )

    def _summary(self, one: Node) -> str:
        share = "" if one["energy_share"] is None else percent(one["energy_share"])
        active = "" if one["spans"] else " weak"
        return (
            f'<summary class="row"><div class="name">{escape(one["name"])}'
            f"<small>level {one['level']}</small></div>"
            f'<div class="time">{_strip(one, self._tree)}</div>'
            f'<div class="number{active}">{one["probability"]:.2f}</div>'
            f'<div class="number">{share}</div></summary>'
        )

    def _body(self, one: Node, first: bool, place: str) -> str:
        if not one["file"]:
            return ""
        if not first:
            return f'<p class="note"><a href="#{place}">Heard above, in another branch</a></p>'
        path = self._folder / one["file"]
        facts = [_spans(one["spans"]), _classes(one["classes"])]
        others = [escape(self._names[parent]) for parent in one["parents"]]
        if len(others) > 1:
            facts.append(f"below {' and '.join(others)}")
        facts.append(f'<a href="{quote(one["file"])}">{escape(one["file"])}</a>')
        return (
            f'<div class="row body"><div>{self._media.player(path, one["file"])}'
            f'<p class="facts">{" · ".join(facts)}</p></div><div class="time">'
            f'<img loading="lazy" alt="spectrogram of {escape(one["name"])}"'
            f' src="{self._media.picture(path)}"></div></div>'
        )


def _strip(one: Node, tree: Mapping[str, Any]) -> str:
    """Probability over time as bars, those of active segments in colour: SVG."""
    duration = tree["duration_seconds"]
    columns: dict[int, tuple[float, float, float, bool]] = {}
    for segment, probability in zip(tree["segments"], one["probabilities"], strict=True):
        start, end = segment["start_seconds"] / duration, segment["end_seconds"] / duration
        active = any(
            span["start_seconds"] <= segment["start_seconds"]
            and segment["end_seconds"] <= span["end_seconds"]
            for span in one["spans"]
        )
        column = int(start * STRIP_COLUMNS)
        old = columns.get(column, (start, end, 0.0, False))
        columns[column] = (old[0], end, max(old[2], probability), old[3] or active)
    bars = list(columns.values())
    # Segments overlap; each bar ends where the next begins.
    ends = [following[0] for following in bars[1:]] + [bars[-1][1]]
    parts = []
    for (start, _, probability, active), end in zip(bars, ends, strict=True):
        height = max(0.6, probability * (STRIP_HEIGHT - 2))
        parts.append(
            f'<rect class="{"active" if active else ""}" x="{start * STRIP_WIDTH:.1f}"'
            f' y="{STRIP_HEIGHT - height:.1f}" width="{max(0.5, (end - start) * STRIP_WIDTH - 0.6):.1f}"'
            f' height="{height:.1f}"/>'
        )
    figure = svg(STRIP_WIDTH, STRIP_HEIGHT, f"activity of {one['name']}", "".join(parts), "strip")
    return figure.replace("<svg ", '<svg preserveAspectRatio="none" ', 1)


def _spans(spans: Sequence[Mapping[str, float]], most: int = 4) -> str:
    if not spans:
        return "never heard"
    shown = [f"{one['start_seconds']:.1f}-{one['end_seconds']:.1f} s" for one in spans[:most]]
    return ", ".join(shown) + (f" and {len(spans) - most} more" if len(spans) > most else "")


def _classes(names: Sequence[str], most: int = 3) -> str:
    shown = "; ".join(escape(name) for name in names[:most])
    return f"{len(names)} classes" if len(names) > most else f"class {shown}"


def percent(share: float) -> str:
    """A share for people to read."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"
