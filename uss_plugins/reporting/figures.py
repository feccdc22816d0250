"""Figures as inline SVG: spectrograms, and the pieces that others are made of.

Text and lines take their colours from the page (CSS classes, `currentColor`), so that one figure
suits a light and a dark page; only the spectrogram itself is a bitmap, drawn by matplotlib's colour
map.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

DYNAMIC_RANGE = 80.0
"""Spectrograms show this many dB below their common maximum."""
COLOUR_MAP = "magma"
COLOUR_LEVELS = 64  # fewer distinct values make the bitmaps smaller; 1.25 dB is finer than one sees


def decibels(value: float | None, digits: int = 1) -> str:
    """A level with a true minus sign, or a dash for None."""
    if value is None:
        return "\N{EN DASH}"
    text = f"{value:.{digits}f}"
    return text[1:] if float(text) == 0 and text[0] == "-" else text.replace("-", "\N{MINUS SIGN}")


def svg(width: float, height: float, label: str, body: str, css: str) -> str:
    """A figure, `label` for those who cannot see it."""
    return (
        f'<svg class="{css}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">{body}</svg>'
    )


def text_at(x: float, y: float, text: str, anchor: str, title: str = "", css: str = "") -> str:
    """A line of text; `title` is shown under the pointer."""
    tip = f"<title>{escape(title)}</title>" if title else ""
    place = f'x="{x}" y="{y}" text-anchor="{anchor}"'
    return f'<text class="{css}" {place}>{escape(text)}{tip}</text>'


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
    return pooled_levels(power, rows)


def pooled_levels(power: NDArray[np.floating[Any]], rows: int = 128) -> NDArray[np.float64]:
    """Power (bins, columns) of an FFT in dB, neighbouring bins averaged down to `rows`, without the last."""
    count = len(power) - 1
    bins = max(1, count // rows)
    pooled = power[: count // bins * bins].reshape(-1, bins, power.shape[1]).mean(axis=1)
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
        f'preserveAspectRatio="none" href="{bitmap(levels - loudest)}"/>'
    ]
    for tick in ticks(nyquist, 4):
        y = round(top + height * (1 - tick / nyquist), 1)
        parts.append(f'<line class="tickmark" x1="{left - 4}" x2="{left}" y1="{y}" y2="{y}"/>')
        parts.append(text_at(left - 7, y + 4, f"{tick:g}", "end", css="tick"))
    for tick in ticks(seconds, 4):
        x = round(left + width * tick / seconds, 1)
        y = top + height
        parts.append(f'<line class="tickmark" x1="{x}" x2="{x}" y1="{y}" y2="{y + 4}"/>')
        parts.append(text_at(x, y + 16, f"{tick:g}", "middle", css="tick"))
    return svg(left + width + 6, top + height + 20, label, "".join(parts), "spectrogram")


def ticks(end: float, count: int) -> list[float]:
    """About `count` round steps from zero that do not pass `end`."""
    rough = end / count
    magnitude = 10.0 ** np.floor(np.log10(rough))
    step = min((m * magnitude for m in (1, 2, 5, 10)), key=lambda step: abs(step - rough))
    return [float(round(step * i, 6)) for i in range(int(end / step + 1e-6) + 1)]


def bitmap(levels: NDArray[np.float64]) -> str:
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
