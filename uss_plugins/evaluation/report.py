"""`report.html`: one evaluation as a page that stands alone, with figures and sound in it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from uss_plugins.evaluation.examples import Example
from uss_plugins.evaluation.figures import improvement_chart
from uss_plugins.evaluation.page import EXAMPLES, MAIN, STYLE
from uss_plugins.evaluation.results import METRICS, ClassResult, Interval, Results, Scores
from uss_plugins.reporting.figures import (
    DYNAMIC_RANGE,
    colour_scale,
    decibels,
    spectrogram_figure,
    spectrogram_levels,
)
from uss_plugins.reporting.page import frame
from uss_plugins.reporting.sounds import flac_uri

LARGEST_PAGE = 15_000_000
"""Characters: examples that would make the page longer are left out, and the page says so."""
PEAK = 0.9
"""Full scale of the players, so that a rounding of the codec cannot clip."""


def render_report(results: Results, examples: Sequence[Example] = ()) -> str:
    """The page. Needs no network and no script; every figure in it is in `results`."""
    main = MAIN.substitute(
        headline=_headline(results),
        interval=f"In brackets: {escape(results.interval_method)}.",
        warnings=_warnings(results),
        chart=improvement_chart(results.classes, results.bank["sdr_improvement"].value),
        table=_table(results),
        examples=_examples(examples),
        facts=_facts(results),
    )
    name = results.model or "model"
    return frame(
        title=f"Evaluation of {name}",
        kicker="Evaluation",
        heading=name,
        lead=_lead(results),
        style=STYLE,
        main=main,
    )


def _lead(results: Results) -> str:
    count, settings = len(results.pairs), results.settings
    kind = "isolated sources" if settings.segments == "true" else "mined anchor segments"
    return (
        f"{count:,} mixtures of two {kind} of different classes at 0 dB, "
        f"{settings.segment_seconds:g} s each, {results.sample_rate / 1000:g} kHz, from the test "
        f"split. Each is asked for one of its two classes; the model knows {len(results.classes)}."
    )


def _headline(results: Results) -> str:
    tiles = [
        ("bank", "SDRi, query from the bank", results.bank["sdr_improvement"]),
        ("oracle", "SDRi, query from the clean target", results.oracle["sdr_improvement"]),
        (
            "",
            "SDRi, query from the mixture",
            results.mixture["sdr_improvement"] if results.mixture else None,
        ),
        ("", "SI-SDRi, query from the bank", results.bank["si_sdr_improvement"]),
        ("", "Leak when the class is absent", results.leak),
    ]
    return "".join(_tile(css, name, value) for css, name, value in tiles if value is not None)


def _tile(css: str, name: str, value: Interval) -> str:
    return (
        f'<div class="{css}"><dt>{name}</dt><dd>{decibels(value.value)} <small>dB</small>'
        f"<span>[{decibels(value.low)}, {decibels(value.high)}]</span></dd></div>"
    )


def _warnings(results: Results) -> str:
    left_out = [row.name for row in results.classes if row.pair_count == 0]
    lines = []
    if left_out:
        lines.append(f"No mixture of {len(left_out)} classes: {', '.join(left_out)}.")
    if results.skipped:
        named = "; ".join(results.skipped[:20]) + ("; …" if len(results.skipped) > 20 else "")
        lines.append(f"{len(results.skipped)} mixtures were skipped: {named}.")
    return "".join(f"<p><strong>Note.</strong> {escape(line)}</p>" for line in lines)


def _table(results: Results) -> str:
    names = [name for _ in ("bank", "oracle") for name in METRICS.values()]
    head = (
        '<thead><tr><th></th><th></th><th class="group" colspan="4">Query from the bank</th>'
        '<th class="group" colspan="4">Query from the clean target</th><th></th></tr>'
        f"<tr><th>Class</th><th>Mixtures</th>{_cells(names, 'th')}"
        '<th class="group">Leak</th></tr></thead>'
    )
    ranked = sorted(results.classes, key=_rank)
    body = "".join(_table_row(row) for row in ranked)
    means = [decibels(query[m].value) for query in (results.bank, results.oracle) for m in METRICS]
    leak = decibels(results.leak.value if results.leak else None)
    foot = (
        f"<tfoot><tr><th>Mean over classes</th><td>{len(results.pairs)}</td>"
        f'{_cells(means, "td")}<td class="group">{leak}</td></tr></tfoot>'
    )
    return f"<table>{head}<tbody>{body}</tbody>{foot}</table>"


def _rank(row: ClassResult) -> float:
    return -row.bank.sdr_improvement if row.bank else np.inf


def _table_row(row: ClassResult) -> str:
    cells = [*_levels(row.bank), *_levels(row.oracle)]
    return (
        f"<tr><td>{escape(row.name)}</td><td>{row.pair_count}</td>{_cells(cells, 'td')}"
        f'<td class="group">{decibels(row.leak)}</td></tr>'
    )


def _levels(scores: Scores | None) -> list[str]:
    return [decibels(getattr(scores, metric) if scores else None) for metric in METRICS]


def _cells(texts: Sequence[str], tag: str) -> str:
    """The eight cells of both queries; each query's first opens its group, its SDRi stands out."""
    css = {0: "group", 1: "main"}
    return "".join(
        f'<{tag} class="{css.get(index % len(METRICS), "")}">{text}</{tag}>'
        for index, text in enumerate(texts)
    )


def _examples(examples: Sequence[Example]) -> str:
    rows: list[str] = []
    for example in examples:
        row = _example(example)
        if sum(map(len, rows)) + len(row) > LARGEST_PAGE:
            break
        rows.append(row)
    if not rows:
        return ""
    count = f"{len(rows)} classes"
    if len(rows) < len(examples):
        count += f" (of {len(examples)}; the others would make the page too large)"
    return EXAMPLES.substitute(
        count=count, range=f"{DYNAMIC_RANGE:g}", scale=colour_scale(), rows="".join(rows)
    )


def _example(example: Example) -> str:
    """One row: mixture, target and estimate, with their spectrograms and players."""
    sounds = {
        "Mixture": example.mixture,
        f"Target: {example.class_name}": example.target,
        "Estimate": example.estimate,
    }
    rate = example.sample_rate
    levels = [spectrogram_levels(sound, rate) for sound in sounds.values()]
    loudest = max(float(level.max()) for level in levels)
    gain = playing_gain(example)
    panels = ""
    for (title, sound), level in zip(sounds.items(), levels, strict=True):
        label = f"spectrogram of the {title.partition(':')[0].lower()}"
        figure = spectrogram_figure(level, loudest, rate, len(sound) / rate, label)
        player = f'<audio controls preload="metadata" src="{flac_uri(gain * sound, rate)}"></audio>'
        panels += f"<figure><figcaption>{escape(title)}</figcaption>{figure}{player}</figure>"
    heading = f"<h3>{escape(example.class_name)}</h3>"
    heading += f"<p>mixed with {escape(example.interferer_name)} · "
    heading += f"SDRi {decibels(example.improvement)} dB</p>"
    return (
        f'<article class="example"><header>{heading}</header>'
        f'<div class="panels">{panels}</div></article>'
    )


def playing_gain(example: Example) -> float:
    """What an example's three sounds are multiplied by, so that the loudest sample is at `PEAK`."""
    sounds = (example.mixture, example.target, example.estimate)
    return PEAK / max(float(np.abs(sound).max()) for sound in sounds)


def _facts(results: Results) -> str:
    settings = results.settings
    minutes, seconds = divmod(round(results.wall_seconds), 60)
    facts = {
        "Model": f"{results.model}, {results.parameter_count:,} parameters",
        "Recipe": results.recipe,
        "Mixtures": f"{len(results.pairs):,} with the target, {len(results.leaks):,} without it",
        "SDR": "10 log₁₀(mean(ref²) / mean((ref \N{MINUS SIGN} est)²)), no mean under 1e-10",
        "SI-SDR": "scale-invariant, means kept (torchmetrics)",
        "SDRi, SI-SDRi": "of the estimate, minus that of the mixture",
        "Query from the bank": "the mean condition of the class over the training anchors",
        "Seed": str(settings.seed),
        "Device": results.device,
        "Time": f"{minutes} min {seconds} s",
        "Versions": ", ".join(f"{name} {number}" for name, number in results.versions.items()),
        "Made": results.created,
    }
    if results.mixture is not None:
        facts["Query from the mixture"] = "what is heard of the class in it, as at separation"
    return "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
