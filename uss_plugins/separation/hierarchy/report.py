"""`report.html`: the ontology of one recording as a nested tree, to see and hear. The page stands alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from uss_plugins.reporting.figures import DYNAMIC_RANGE, colour_scale, svg, text_at, ticks
from uss_plugins.reporting.page import frame
from uss_plugins.separation.hierarchy.branches import STRIP_WIDTH, Branches, Node, percent
from uss_plugins.separation.hierarchy.media import Media
from uss_plugins.separation.hierarchy.page import MAIN, RESIDUALS, STYLE

PAGE_FILE = "report.html"


def render_page(tree: Mapping[str, Any], folder: Path) -> str:
    """The page of a `tree.json`, with the sounds of the files in `folder`."""
    media = Media(tree, folder)
    separated = [one for one in tree["nodes"] if one["file"]]
    original = Path(tree["input"])
    main = MAIN.substitute(
        headline=_headline(tree, separated),
        mixture_player=media.player(original, None),
        mixture_picture=media.picture(original),
        axis=_axis(tree["duration_seconds"]),
        note=_note(media),
        threshold=f"{tree['settings']['threshold']:g}",
        kilohertz=f"{tree['sample_rate'] / 2000:g}",
        range=f"{DYNAMIC_RANGE:g}",
        scale=colour_scale(),
        duration=_time(tree["duration_seconds"]),
        tree=Branches(tree, folder, media).render(),
        residuals=_residuals(tree, folder, media),
        facts=_facts(tree),
    )
    return frame(
        title=f"What sounds in {original.name}",
        kicker="Hierarchical separation",
        heading=original.name,
        lead=_lead(tree, separated),
        style=STYLE,
        main=main,
    )


def _axis(duration: float) -> str:
    parts = []
    for tick in ticks(duration, 6):
        x = round(STRIP_WIDTH * tick / duration, 1)
        parts.append(f'<line class="tickmark" x1="{x}" x2="{x}" y1="0" y2="4"/>')
        parts.append(text_at(x, 16, f"{tick:g}", "middle", css="tick"))
    return svg(STRIP_WIDTH, 18, "time in seconds", "".join(parts), "axis")


def _lead(tree: Mapping[str, Any], separated: Sequence[Node]) -> str:
    levels = sorted({one["level"] for one in separated})
    where = (
        f" of level{'s' if len(levels) > 1 else ''} {', '.join(map(str, levels))}" if levels else ""
    )
    kind = {1: "mono", 2: "stereo"}.get(tree["channels"], f"{tree['channels']} channels")
    return (
        f"{_time(tree['duration_seconds'])}, {kind}, {tree['sample_rate'] / 1000:g} kHz:"
        f" {len(separated)} nodes{where} in AudioSet&rsquo;s ontology, each with a file of its own."
    )


def _headline(tree: Mapping[str, Any], separated: Sequence[Node]) -> str:
    tiles = []
    for level in sorted({one["level"] for one in separated}):
        own = [one for one in separated if one["level"] == level]
        best = max(own, key=lambda one: float(one["energy_share"]))
        tiles.append(
            f"<div><dt>Level {level}</dt><dd>{len(own)} <small>{'nodes' if len(own) > 1 else 'node'}</small>"
            f"<span>most of it {escape(best['name'])}, {percent(best['energy_share'])}</span></dd></div>"
        )
    return "".join(tiles) or "<div><dt>Nodes heard</dt><dd>0</dd></div>"


def _note(media: Media) -> str:
    text = (
        "Each node is the sound of all classes at or below it. Energy: of the node&rsquo;s file, over that of"
        " the recording. Pictures share one scale and players one level, so what is faint here is faint."
    )
    if media.linked:
        text += f" {media.linked} players use the files beside this page, which would else become too large."
    return text


def _residuals(tree: Mapping[str, Any], folder: Path, media: Media) -> str:
    rows = ""
    for level, one in tree["residuals"].items():
        path = folder / one["file"]
        rows += (
            f'<div class="row body"><div><p class="name">Level {escape(level)}</p>'
            f'{media.player(path, one["file"])}</div><div class="time"><img loading="lazy" '
            f'alt="spectrogram of the residual of level {escape(level)}" src="{media.picture(path)}"></div>'
            f'<div></div><div class="number">{percent(one["energy_share"])}</div></div>'
        )
    return RESIDUALS.substitute(rows=rows) if rows else ""


def _facts(tree: Mapping[str, Any]) -> str:
    settings = tree["settings"]
    asked = [f"level {level}" for level in settings["levels"]] + list(settings["nodes"])
    facts = {
        "Recording": tree["input"],
        "Asked for": ", ".join(asked),
        "Active": f"where one of a node's classes has a probability of {settings['threshold']:g} or more",
        "Segments": f"{len(tree['segments'])} of {settings['segment_seconds']:g} s,"
        f" overlapping by {settings['overlap_seconds']:g} s",
        "Kept": f"the {settings['top']} most heard nodes of each level" if settings["top"] else "",
        "Dropped": f"activity shorter than {settings['min_seconds']:g} s"
        if settings["min_seconds"]
        else "",
        "Mixture consistency": "parts of a level share the recording out"
        if settings["consistent"]
        else "",
    }
    return "".join(
        f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items() if text
    )


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
