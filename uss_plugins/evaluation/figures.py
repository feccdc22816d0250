"""The report's figures as inline SVG: a bar chart over classes, and spectrograms.

Text and lines take their colours from the page (CSS classes, `currentColor`), so that one figure
suits a light and a dark page; only the spectrogram itself is a bitmap, drawn by matplotlib's colour
map.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from uss_plugins.evaluation.results import ClassResult

DYNAMIC_RANGE = 80.0
"""Spectrograms show this many dB below their common maximum."""
COLOUR_MAP = "magma"
COLOUR_LEVELS = 64  # fewer distinct values make the bitmaps smaller; 1.25 dB is finer than one sees

CHART_WIDTH, LABEL_WIDTH, VALUE_WIDTH = 1000, 220, 110
ROW_HEIGHT, BAR_HEIGHT, CHART_TOP = 30, 9, 26


def decibels(value: float | None, digits: int = 1) -> str:
    """A level with a true minus sign, or a dash for None."""
    if value is None:
        return "\N{EN DASH}"
    text = f"{value:.{digits}f}"
    return text[1:] if float(text) == 0 and text[0] == "-" else text.replace("-", "\N{MINUS SIGN}")


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
    parts += [_text(place, CHART_TOP - 10, head, "end", css="tick") for place, head in heads]
    for index, (name, bank, oracle) in enumerate(rows):
        top = CHART_TOP + ROW_HEIGHT * index + 5
        parts.append(_text(LABEL_WIDTH - 12, top + 14, _shortened(name), "end", name))
        parts.append(_bar("bank", x(0), x(bank), top))
        parts.append(_bar("oracle", x(0), x(oracle), top + BAR_HEIGHT + 1))
        parts.append(_text(CHART_WIDTH - 52, top + 14, decibels(bank), "end", css="first"))
        parts.append(_text(CHART_WIDTH, top + 14, decibels(oracle), "end", css="second"))
    parts.append(
        f'<line class="mean" x1="{x(mean)}" x2="{x(mean)}" y1="{CHART_TOP}" y2="{bottom}"/>'
    )
    label = f"SDRi of {len(rows)} classes by both queries"
    return _svg(CHART_WIDTH, bottom + 6, label, "".join(parts), "chart")


def _svg(width: float, height: float, label: str, body: str, css: str) -> str:
    return (
        f'<svg class="{css}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">{body}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str, title: str = "", css: str = "") -> str:
    tip = f"<title>{escape(title)}</title>" if title else ""
    place = f'x="{x}" y="{y}" text-anchor="{anchor}"'
    return f'<text class="{css}" {place}>{escape(text)}{tip}</text>'


def _gridline(x: float, bottom: float, value: float) -> str:
    css = "zero" if value == 0 else "grid"
    line = f'<line class="{css}" x1="{x}" x2="{x}" y1="{CHART_TOP}" y2="{bottom}"/>'
    return line + _text(x, CHART_TOP - 10, decibels(value, 0), "middle", css="tick")


def _bar(css: str, zero: float, end: float, top: float) -> str:
    left, width = min(zero, end), round(abs(end - zero), 1)
    box = f'x="{left}" y="{top}" width="{width}" height="{BAR_HEIGHT}"'
    return f'<rect class="{css}" {box} rx="1"/>'


def _shortened(name: str, length: int = 30) -> str:
    return name if len(name) <= length else name[: length - 1].rstrip() + "…"


def spectrogram_levels(
    audio: NDArray[np.float32], sample_rate: int, columns: int = 240, rows: int = 128
) -> NDArray[np.float64]:
    """Power spectrogram (dB, any reference): (rows, columns) at most, lowest frequency first.

    Windows last about 32 ms; neighbouring bins are averaged down to `rows`.
    """
    from scipy.signal import spectrogram

    window = 2 ** max(4, round(np.log2(0.032 * sample_rate)))
    audio = np.pad(audio, (0, max(0, window - len(audio))))
    hop = max(1, (len(audio) - window) // max(1, columns - 1))
    _, _, power = spectrogram(audio, nperseg=window, noverlap=window - min(hop, window))
    bins = max(1, (window // 2) // rows)
    used = (window // 2) // bins * bins
    pooled = power[:used].reshape(-1, bins, power.shape[1]).mean(axis=1)
    levels: NDArray[np.float64] = 10 * np.log10(np.maximum(pooled, 1e-20))
    return levels


def spectrogram_figure(
    levels: NDArray[np.float64], loudest: float, sample_rate: int, seconds: float, label: str
) -> str:
    """A spectrogram (rows, columns) on axes of kHz and s, coloured by dB under `loudest`: SVG."""
    left, top, width, height = 30, 6, 286, 150
    nyquist = sample_rate / 2000
    parts = [
        f'<image x="{left}" y="{top}" width="{width}" height="{height}" '
        f'preserveAspectRatio="none" href="{_bitmap(levels - loudest)}"/>'
    ]
    for tick in _ticks(nyquist, 4):
        y = round(top + height * (1 - tick / nyquist), 1)
        parts.append(f'<line class="tickmark" x1="{left - 4}" x2="{left}" y1="{y}" y2="{y}"/>')
        parts.append(_text(left - 7, y + 4, f"{tick:g}", "end", css="tick"))
    for tick in _ticks(seconds, 4):
        x = round(left + width * tick / seconds, 1)
        y = top + height
        parts.append(f'<line class="tickmark" x1="{x}" x2="{x}" y1="{y}" y2="{y + 4}"/>')
        parts.append(_text(x, y + 16, f"{tick:g}", "middle", css="tick"))
    return _svg(left + width + 6, top + height + 20, label, "".join(parts), "spectrogram")


def _ticks(end: float, count: int) -> list[float]:
    """About `count` round steps from zero that do not pass `end`."""
    rough = end / count
    magnitude = 10.0 ** np.floor(np.log10(rough))
    step = min((m * magnitude for m in (1, 2, 5, 10)), key=lambda step: abs(step - rough))
    return [float(round(step * i, 6)) for i in range(int(end / step + 1e-6) + 1)]


def _bitmap(levels: NDArray[np.float64]) -> str:
    """Levels (dB, 0 at most shown) as a PNG in a data URI, lowest frequency at the bottom."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    file = io.BytesIO()
    colours = colormaps[COLOUR_MAP].resampled(COLOUR_LEVELS)
    imsave(file, levels, vmin=-DYNAMIC_RANGE, vmax=0, cmap=colours, origin="lower", format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def colour_scale() -> str:
    """The colour map from the bottom of the dynamic range to its top, as a CSS gradient."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    stops = ", ".join(to_hex(colormaps[COLOUR_MAP](value)) for value in np.linspace(0, 1, 9))
    return f"linear-gradient(to right, {stops})"
