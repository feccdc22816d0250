"""The report's chart over classes, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uss_plugins.evaluation.results import ClassResult
from uss_plugins.reporting.figures import decibels, svg, text_at

CHART_WIDTH, LABEL_WIDTH, VALUE_WIDTH = 1000, 220, 110
ROW_HEIGHT, BAR_HEIGHT, CHART_TOP = 30, 9, 26


def improvement_chart(classes: Sequence[ClassResult], mean: float) -> str:
    """SDRi of each class by both queries, best first, and the `mean` of the bank's: SVG."""
    rows = [
        (row.name, row.bank.sdr_improvement, row.oracle.sdr_improvement)
        for row in classes
        if row.bank is not None and row.oracle is not None
    ]
    rows.sort(key=lambda row: row[1], reverse=True)
    values = [mean, *(value for row in rows for value in row[1:])]
    low, high = 5 * np.floor(min(0.0, *values) / 5), 5 * np.ceil(max(5.0, *values) / 5)
    plot_width = CHART_WIDTH - LABEL_WIDTH - VALUE_WIDTH
    bottom = CHART_TOP + ROW_HEIGHT * len(rows)

    def x(value: float) -> float:
        return float(round(LABEL_WIDTH + (value - low) / (high - low) * plot_width, 1))

    parts = [_gridline(x(tick), bottom, tick) for tick in np.arange(low, high + 1, 5)]
    heads = (LABEL_WIDTH - 28, "SDRi (dB)"), (CHART_WIDTH - 52, "bank"), (CHART_WIDTH, "clean")
    parts += [text_at(place, CHART_TOP - 10, head, "end", css="tick") for place, head in heads]
    for index, (name, bank, oracle) in enumerate(rows):
        top = CHART_TOP + ROW_HEIGHT * index + 5
        parts.append(text_at(LABEL_WIDTH - 12, top + 14, _shortened(name), "end", name))
        parts.append(_bar("bank", x(0), x(bank), top))
        parts.append(_bar("oracle", x(0), x(oracle), top + BAR_HEIGHT + 1))
        parts.append(text_at(CHART_WIDTH - 52, top + 14, decibels(bank), "end", css="first"))
        parts.append(text_at(CHART_WIDTH, top + 14, decibels(oracle), "end", css="second"))
    parts.append(
        f'<line class="mean" x1="{x(mean)}" x2="{x(mean)}" y1="{CHART_TOP}" y2="{bottom}"/>'
    )
    label = f"SDRi of {len(rows)} classes by both queries"
    return svg(CHART_WIDTH, bottom + 6, label, "".join(parts), "chart")


def _gridline(x: float, bottom: float, value: float) -> str:
    css = "zero" if value == 0 else "grid"
    line = f'<line class="{css}" x1="{x}" x2="{x}" y1="{CHART_TOP}" y2="{bottom}"/>'
    return line + text_at(x, CHART_TOP - 10, decibels(value, 0), "middle", css="tick")


def _bar(css: str, zero: float, end: float, top: float) -> str:
    left, width = min(zero, end), round(abs(end - zero), 1)
    box = f'x="{left}" y="{top}" width="{width}" height="{BAR_HEIGHT}"'
    return f'<rect class="{css}" {box} rx="1"/>'


def _shortened(name: str, length: int = 30) -> str:
    return name if len(name) <= length else name[: length - 1].rstrip() + "…"
