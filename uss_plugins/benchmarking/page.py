"""`grid.html`: a grid's results as a page that stands alone, with figures and sound in it. No script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from uss_plugins.benchmarking.charts import curves, speed_chart, speed_key
from uss_plugins.benchmarking.heat_map import heat_maps
from uss_plugins.benchmarking.results import (
    ESTIMATE,
    MIXTURE,
    TARGET,
    CellFigures,
    GridResults,
    Row,
)
from uss_plugins.benchmarking.summary import (
    COLUMN_NOTES,
    best_first,
    cell_rows,
    facts_of,
    mean_rows,
    reasons,
    title_of,
    varied_axes,
)
from uss_plugins.reporting import style
from uss_plugins.reporting.figures import decibels
from uss_plugins.reporting.page import frame
from uss_plugins.reporting.sounds import flac_uri

PEAK = 0.9
"""Full scale of the players' mixture, so that a rounding of the codec cannot clip."""
LARGEST_SOUNDS = 15_000_000
"""Characters of sound in a page; cells beyond have no player, and the page says so."""

STYLE = (
    style.STYLE
    + """
h3 { margin: 1.5rem 0 .4rem; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .38rem .6rem; text-align: right; font-weight: 400; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--soft); }
table.heat { border-spacing: 2px; border-collapse: separate; }
table.heat th { border: 0; color: var(--soft); text-align: center; }
table.heat th:first-child { text-align: right; padding-right: .6rem; }
table.heat td { border: 0; border-radius: 4px; text-align: center; min-width: 6.5rem; font-weight: 600; }
table.heat td small { display: block; font-weight: 400; }
table.heat td.none { background: var(--rule); color: var(--soft); font-weight: 400; }
.key i { display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin-right: .45em; }
.key svg.mark { display: inline-block; width: .9em; height: .9em; margin-right: .45em; vertical-align: -.08em;
  fill: var(--soft); }
svg .front { fill: none; stroke: var(--ink); stroke-width: 1.25; stroke-dasharray: 5 4; }
svg text.front { fill: var(--ink); stroke: none; }
svg .point line { opacity: .45; }
svg .curve { fill: none; stroke-width: 1.75; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1rem 1.5rem; }
.curves figure { margin: 0; }
audio { height: 34px; width: 17rem; vertical-align: middle; }
@media print { audio { display: none; } body { padding: 0; } }
"""
)


def render_page(results: GridResults, folder: Path) -> str:
    """The page; `folder` is the grid's, from which the sounds are read."""
    done = results.done()
    sections = []
    if done:
        sections += [
            section(
                "Every combination",
                "SDRi by bank in dB, with its 95&nbsp;% interval. Grey: no figure; the pointer shows why.",
                heat_maps(results),
            ),
            section(
                "What speed costs",
                "SDRi against the time that separation takes for a second of audio. The dashed line is the"
                " Pareto front: no cell is both faster and better than one on it. Bars: 95&nbsp;% intervals.",
                speed_key(results) + speed_chart(results),
            ),
            section(
                "Learning curves", "Validation SDRi in dB over training steps.", curves(results)
            ),
            section("Listen", *players(results, folder)),
            section("All figures", escape(COLUMN_NOTES), cells_table(results)),
            *(means_section(results, axis) for axis in varied_axes(results)),
        ]
    sections += [state_section(results, state) for state in ("failed", "impossible", "not run")]
    facts = "".join(
        f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts_of(results).items()
    )
    sections.append(section("How this was measured", "", f'<dl class="facts">{facts}</dl>'))
    lead = f"{len(done)} combinations of {len(results.rows)}, {results.budget} of training each."
    return frame(
        title=f"Grid {results.grid}",
        kicker="Grid",
        heading=results.grid,
        lead=lead,
        style=STYLE,
        main="\n".join(sections),
    )


def section(title: str, note: str, body: str) -> str:
    """A heading, a note in HTML, and what is under it."""
    noted = f'<p class="note">{note}</p>' if note else ""
    return f"<section>\n<h2>{escape(title)}</h2>\n{noted}\n{body}\n</section>"


def players(results: GridResults, folder: Path) -> tuple[str, str]:
    """A note, and a player of every cell's estimate; cells with the same evaluation set share the mixture."""
    groups: dict[str, list[tuple[Row, CellFigures]]] = {}
    for row, cell in best_first(results):
        groups.setdefault(cell.mixtures, []).append((row, cell))
    body, size = "", 0
    for cells in groups.values():
        sounds = sounds_of(cells[0][0], folder)
        if not sounds:
            continue
        gain = PEAK / max(1e-6, *(float(np.abs(audio).max()) for audio, _ in sounds.values()))
        top = "".join(
            f"<tr><th>{name}</th><td></td><td>{player(*sounds[file], gain)}</td></tr>"
            for name, file in (("Mixture", MIXTURE), ("Target", TARGET))
        )
        for row, cell in cells:
            estimate = sounds_of(row, folder).get(ESTIMATE)
            playing = player(*estimate, gain) if estimate and size < LARGEST_SOUNDS else "left out"
            size += len(playing)
            level = f"{decibels(cell.example_sdri)} dB"
            top += f"<tr><td>{escape(row.name)}</td><td>{level}</td><td>{playing}</td></tr>"
        body += f"<table><thead><tr><th></th><th>SDRi here</th><th></th></tr></thead>{top}</table>"
    return "All cells separate the same mixture, by the query of its target's class.", body


def sounds_of(row: Row, folder: Path) -> dict[str, tuple[NDArray[np.float32], int]]:
    """File -> audio (samples,) and rate of what a cell's player plays; without what is no longer there."""
    paths = {name: folder / str(row.folder) / name for name in (MIXTURE, TARGET, ESTIMATE)}
    return {
        name: soundfile.read(path, dtype="float32") for name, path in paths.items() if path.exists()
    }


def player(audio: NDArray[np.float32], sample_rate: int, gain: float) -> str:
    """A player that carries its sound."""
    sound = flac_uri(np.clip(gain * audio, -1, 1), sample_rate)
    return f'<audio controls preload="none" src="{sound}"></audio>'


def cells_table(results: GridResults) -> str:
    """All figures of the cells, best first."""
    return table(*cell_rows(results))


def means_section(results: GridResults, axis: str) -> str:
    """The means along an axis."""
    titles, rows, over = mean_rows(results, axis)
    return section(f"By {title_of(axis)}", over, table(titles, rows))


def state_section(results: GridResults, state: str) -> str:
    """The combinations in a state, by reason; nothing if there are none."""
    found: Mapping[str, Sequence[Row]] = reasons(results, state)
    if not found:
        return ""
    items = "".join(
        f"<dt>{escape('; '.join(row.name for row in rows))}</dt><dd>{escape(reason)}</dd>"
        for reason, rows in found.items()
    )
    return section(state.capitalize(), "", f"<dl>{items}</dl>")


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table that scrolls where it is too wide."""
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
