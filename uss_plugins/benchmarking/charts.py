"""The charts of a grid's page as inline SVG: SDRi against speed, and learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from uss_plugins.benchmarking.results import CellFigures, GridResults, Row
from uss_plugins.benchmarking.summary import number, pareto_front
from uss_plugins.reporting.figures import decibels, svg, text_at, ticks

PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#999999")
"""Colours that differ for all eyes, on light and on dark (P. Tol, "Colour schemes", bright)."""
SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0",
    "M-4.5-4.5h9v9h-9z",
    "M0-6L5.5 4h-11z",
    "M0-6.5L5 0L0 6.5L-5 0z",
)
"""Circle, square, triangle, rhombus, about their middle."""
LEFT, RIGHT, TOP, BOTTOM = 56, 980, 14, 460
LABEL_WIDTH, LABEL_HEIGHT = 230, 16
Cells = Sequence[tuple[Row, CellFigures]]


def colour_of(place: int) -> str:
    """The colour of a choice by its place on its axis."""
    return PALETTE[place % len(PALETTE)]


def shape_of(place: int) -> str:
    """The outline of a choice's points by its place on its axis."""
    return SHAPES[place % len(SHAPES)]


@dataclass(frozen=True)
class Frame:
    """The plot of SDRi (dB) over the logarithm of the real-time factor, and what it spans."""

    low: float
    high: float
    low_rate: float
    high_rate: float

    def x(self, rate: float) -> float:
        """Where a real-time factor is."""
        share = np.log(rate / self.low_rate) / np.log(self.high_rate / self.low_rate)
        return round(float(LEFT + share * (RIGHT - LEFT)), 1)

    def y(self, level: float) -> float:
        """Where an SDRi is."""
        share = (self.high - level) / (self.high - self.low)
        return round(float(TOP + share * (BOTTOM - TOP)), 1)


def frame_of(cells: Cells) -> Frame:
    """The frame that holds all points and their intervals, and zero."""
    levels = [bound for _, cell in cells for bound in (cell.sdri.low, cell.sdri.high)]
    rates = [cell.real_time_factor for _, cell in cells]
    low, high = float(np.floor(min(0.0, *levels))), float(np.ceil(max(levels)))
    return Frame(low, max(high, low + 1), min(rates) / 1.25, max(rates) * 1.25)


def speed_chart(results: GridResults) -> str:
    """SDRi against the real-time factor, with the Pareto front: colours are separators, shapes embeddings."""
    cells = results.done()
    frame, front = frame_of(cells), pareto_front(cells)
    places = [
        (row, frame.x(cell.real_time_factor), frame.y(cell.sdri.value)) for row, cell in front
    ]
    parts = [
        *grid_lines(frame),
        front_line(places),
        *(point(results, row, cell, frame) for row, cell in cells),
        *front_labels(places),
        text_at(LEFT, BOTTOM + 38, "real-time factor (logarithmic)", "start", css="tick"),
        text_at(LEFT + 6, TOP + 4, "SDRi by bank (dB)", "start", css="tick"),
    ]
    label = "SDRi against the real-time factor"
    return svg(RIGHT + 20, BOTTOM + 44, label, "".join(parts), "speed")


def grid_lines(frame: Frame) -> list[str]:
    """Lines at round levels and rates, with their figures."""
    parts = []
    for level in y_ticks(frame.low, frame.high):
        y, css = frame.y(level), "zero" if level == 0 else "grid"
        parts.append(f'<line class="{css}" x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(text_at(LEFT - 8, y + 4, level_text(level), "end", css="tick"))
    for rate in decades(frame.low_rate, frame.high_rate):
        x = frame.x(rate)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{BOTTOM}"/>')
        parts.append(text_at(x, BOTTOM + 18, f"{rate:g}", "middle", css="tick"))
    return parts


def front_line(front: Sequence[tuple[Row, float, float]]) -> str:
    """The Pareto front as steps through its points (row, x, y)."""
    _, x, y = front[0]
    steps = "".join(f"H{x}V{y}" for _, x, y in front[1:])
    return f'<path class="front" d="M{x} {y}{steps}H{RIGHT}"/>'


def front_labels(front: Sequence[tuple[Row, float, float]]) -> list[str]:
    """The names of the points (row, x, y) on the front, each above its point and clear of the one before."""
    parts, last = [], (-1e9, 0.0)
    for row, x, y in front:
        top = y - 10
        if x - last[0] < LABEL_WIDTH and abs(top - last[1]) < LABEL_HEIGHT:
            top = last[1] - LABEL_HEIGHT
        last = x, top
        label = f"{row.labels['embedding']} · {row.labels['separator']}"
        anchor = "end" if x > 0.8 * RIGHT else "start"
        parts.append(text_at(x, round(top, 1), label, anchor, row.name, "front"))
    return parts


def point(results: GridResults, row: Row, cell: CellFigures, frame: Frame) -> str:
    """A cell's point with its interval, its figures under the pointer."""
    colour = colour_of(results.axes["separator"].index(row.labels["separator"]))
    shape = shape_of(results.axes["embedding"].index(row.labels["embedding"]))
    title = f"{row.name}: SDRi {cell.sdri} dB, real-time factor {number(cell.real_time_factor)}"
    x, low, high = frame.x(cell.real_time_factor), frame.y(cell.sdri.low), frame.y(cell.sdri.high)
    bar = f'<line x1="{x}" x2="{x}" y1="{low}" y2="{high}" stroke="{colour}"/>'
    place = f'transform="translate({x} {frame.y(cell.sdri.value)})"'
    mark = f'<path d="{shape}" {place} fill="{colour}"/>'
    return f'<g class="point"><title>{escape(title)}</title>{bar}{mark}</g>'


def speed_key(results: GridResults) -> str:
    """What colours and shapes stand for."""
    colours = "".join(
        f'<span><i style="background: {colour_of(place)}"></i>{escape(label)}</span>'
        for place, label in enumerate(results.axes["separator"])
    )
    shapes = "".join(
        f'<span><svg class="mark" viewBox="-7 -7 14 14"><path d="{shape_of(place)}"/></svg>'
        f"{escape(label)}</span>"
        for place, label in enumerate(results.axes["embedding"])
    )
    return f'<div class="key">{colours}</div><div class="key">{shapes}</div>'


def curves(results: GridResults) -> str:
    """Validation SDRi over the steps of every cell: a panel for each separator and rest of the axes."""
    others = [axis for axis in results.axes if axis != "embedding"]
    panels: dict[tuple[str, ...], list[tuple[Row, CellFigures]]] = {}
    for row, cell in results.done():
        panels.setdefault(tuple(row.labels[axis] for axis in others), []).append((row, cell))
    levels = [
        point.validation_sdri
        for _, cell in results.done()
        for point in cell.curve
        if point.validation_sdri is not None
    ]
    if not levels:
        return "<p>No training was validated.</p>"
    bounds = float(np.floor(min(0.0, *levels))), float(np.ceil(max(levels)))
    keys = "".join(
        f'<span><i style="background: {colour_of(place)}"></i>{escape(label)}</span>'
        for place, label in enumerate(results.axes["embedding"])
    )
    figures = "".join(
        f"<figure><figcaption>{escape(' · '.join(key))}</figcaption>{panel(results, cells, bounds)}</figure>"
        for key, cells in panels.items()
    )
    return f'<div class="key">{keys}</div><div class="curves">{figures}</div>'


def panel(results: GridResults, cells: Cells, bounds: tuple[float, float]) -> str:
    """The curves of some cells, one colour for each embedding."""
    left, top, width, height = 34, 6, 280, 130
    low, high = bounds
    last = max(point.step for _, cell in cells for point in cell.curve)
    parts = []
    for level in y_ticks(low, high, 4):
        y = round(top + (high - level) / (high - low) * height, 1)
        css = "zero" if level == 0 else "grid"
        parts.append(f'<line class="{css}" x1="{left}" x2="{left + width}" y1="{y}" y2="{y}"/>')
        parts.append(text_at(left - 6, y + 4, level_text(level), "end", css="tick"))
    for step in ticks(last, 3):
        x = round(left + width * step / last, 1)
        parts.append(text_at(x, top + height + 16, f"{step:g}", "middle", css="tick"))
    for row, cell in cells:
        places = [
            (
                round(left + width * point.step / last, 1),
                round(top + (high - point.validation_sdri) / (high - low) * height, 1),
            )
            for point in cell.curve
            if point.validation_sdri is not None
        ]
        colour = colour_of(results.axes["embedding"].index(row.labels["embedding"]))
        line = " ".join(f"{x},{y}" for x, y in places)
        dots = "".join(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>' for x, y in places)
        title = f"<title>{escape(row.name)}: {number(cell.training_seconds)} s</title>"
        parts.append(
            f'<g>{title}<polyline class="curve" points="{line}" stroke="{colour}"/>{dots}</g>'
        )
    label = "validation SDRi (dB) over training steps"
    return svg(left + width + 6, top + height + 22, label, "".join(parts), "panel")


def level_text(level: float) -> str:
    """A tick's level in dB, with as many digits as it needs."""
    return decibels(level, 0 if float(level).is_integer() else 1)


def y_ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round levels from `low` to `high`, zero among them if it is between."""
    step = ticks(max(high - low, 1.0), count)[1]
    return [float(step * place) for place in range(int(np.ceil(low / step)), int(high / step) + 1)]


def decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two rates."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    values = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    return [float(f"{value:.1g}") for value in values if low <= value <= high]
