"""The rows against what they should reach, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from speed.timing import ratio

Found = Mapping[str, Mapping[str, Any]]
"""Row -> its figures."""


class Line(NamedTuple):
    """needs: the rows that it is made of; least: the target; measured: says what was reached."""

    needs: set[str]
    what: str
    least: str
    measured: Callable[[Found], str]


def table(found: Found) -> str:
    """A line for all whose rows were measured."""
    lines = ["| what | at least | measured |", "| --- | --- | --- |"]
    lines += [
        f"| {line.what} | {line.least} | {line.measured(found)} |"
        for line in LINES
        if line.needs <= set(found)
    ]
    return "\n".join(lines)


def _times(row: Mapping[str, Any]) -> str:
    return f"{row['times']:.2f}x ({row['plain_seconds']:.3g} s plain, {row['seconds']:.3g} s ours)"


def _segment(row: Mapping[str, Any]) -> str:
    return f"{_times(row)}, error {row['error']:.1e}, against the plain one {row['error_to_plain']:.1e}"


def _bf16(found: Found) -> str:
    quality = found.get("quality")
    sdri = f", {quality['difference_db']:.3f} dB SDRi" if quality else ""
    return _segment(found["bf16"]) + sdri


def _training(found: Found) -> str:
    return _times(ratio(found["training_plain"]["seconds"], found["training"]["seconds"]))


def _share(found: Found) -> str:
    row = found["bf16"]
    rate, products = row["giga_macs_per_second"], row["matrix_giga_macs_per_second"]
    best = max(products, key=products.__getitem__)
    return f"{rate / products[best]:.0%} ({rate:.0f} of {products[best]:.0f} GMAC/s, of {best})"


def _compiled(found: Found) -> str:
    cold, warm = found["compile"]["cold"], found["compile"]["warm"]
    return (
        f"first call {cold['first_seconds']:.3g} s, with a warm cache {warm['first_seconds']:.3g} s;"
        f" then {warm['seconds']:.3g} s (eager {warm['eager_seconds']:.3g} s,"
        f" prepared {warm['prepared_seconds']:.3g} s)"
    )


LINES = (
    Line(
        {"fp32"},
        "one class, 10-s segment, fp32, error <= 1e-5",
        "1.9x",
        lambda found: _segment(found["fp32"]),
    ),
    Line(
        {"bf16"},
        "one class, 10-s segment, bf16, error <= 2e-2 and <= 0.05 dB SDRi",
        "4x",
        _bf16,
    ),
    Line(
        {"default"},
        "one class, default settings against eight 2-s segments at a time",
        "5.5x",
        lambda found: _times(found["default"]),
    ),
    Line(
        {"default_without_bank"},
        "the same, of imported weights, which have no query bank",
        "",
        lambda found: _times(found["default_without_bank"]),
    ),
    Line(
        {"walk"},
        "levels 1-3 of a 60-s recording with 40 active nodes",
        "7x",
        lambda found: _times(found["walk"]),
    ),
    Line(
        {"training", "training_plain"},
        "training step of `resunet30`, batch 4 x 2 s, bf16",
        "2x",
        _training,
    ),
    Line(
        {"bf16"},
        "share of the machine's best bf16 matrix-product rate reached in the separator",
        "60 %",
        _share,
    ),
    Line({"compile"}, "`torch.compile` of the module, 10-s segment, bf16", "", _compiled),
)
