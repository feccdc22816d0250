"""results.json and report.html."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from evaluation.fakes import RATE, SAMPLES, SECONDS, BandModel, FakeCorpus
from rich.console import Console

from registry.errors import UserError
from uss_plugins.evaluation.examples import Example, median_examples
from uss_plugins.evaluation.protocol import evaluation_pairs
from uss_plugins.evaluation.report import playing_gain, render_report
from uss_plugins.evaluation.results import Results, read_results, results_table, to_json
from uss_plugins.evaluation.run import evaluate
from uss_plugins.evaluation.section import EvaluationSection
from uss_plugins.reporting.figures import decibels, spectrogram_levels

SECTION = EvaluationSection(
    pairs_per_class=5, absent_per_class=2, segment_seconds=SECONDS, examples=3
)


@pytest.fixture(scope="module")
def evaluated() -> tuple[Results, list[Example]]:
    corpus, model = FakeCorpus(), BandModel(wanted=0.8, others=0.2, oracle_bonus=0.1)
    pairs = evaluation_pairs(corpus, SECTION)
    results = evaluate(
        model, corpus, pairs, SECTION, model_name="exp/<model>", recipe_name="r.yaml"
    )
    return results, median_examples(model, corpus, results)


class Page(HTMLParser):
    """Collects a page's elements, and checks that what opens also closes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_results_survive_their_file(evaluated, tmp_path: Path) -> None:
    results, _ = evaluated
    file = tmp_path / "results.json"
    file.write_text(to_json(results))
    assert read_results(file) == results
    stored = json.loads(file.read_text())
    assert stored["schema_version"] == 1
    assert stored["settings"]["seed"] == 0
    assert stored["bank"]["sdr_improvement"]["value"] == results.bank["sdr_improvement"].value
    assert "resampled with replacement within their class" in stored["interval_method"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "Field required"), ("no", "Invalid JSON"), (None, "No such file")],
)
def test_a_file_that_is_no_results_is_refused(tmp_path: Path, text, message) -> None:
    file = tmp_path / "results.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError, match=message):
        read_results(file)


def test_results_of_another_layout_are_refused(evaluated, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(to_json(replace(evaluated[0], schema_version=99)))
    with pytest.raises(UserError, match="layout 99"):
        read_results(file)


def test_the_table_has_a_row_for_each_class_and_the_means(evaluated) -> None:
    results, _ = evaluated
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(results_table(replace(results, model="exp/[red]model")))
    text = console.export_text()
    assert "exp/[red]model" in text
    for row in results.classes:
        line = next(line for line in text.splitlines() if row.name in line)
        assert f"{row.bank.sdr_improvement:.1f}" in line
        assert f"{row.oracle.si_sdr:.1f}" in line
        assert f"{row.leak:.1f}" in line
    assert f"{results.bank['sdr_improvement'].value:.1f}" in text


def test_examples_are_the_median_pairs_of_classes_from_best_to_worst(evaluated) -> None:
    results, examples = evaluated
    assert len(examples) == 3
    medians = {row.name: row.bank.sdr_improvement for row in results.classes}
    assert [example.improvement for example in examples] == [
        medians[example.class_name] for example in examples
    ]
    assert examples[0].improvement == max(medians.values())
    assert examples[-1].improvement == min(medians.values())
    for example in examples:
        residual = np.mean((example.estimate - example.target) ** 2, dtype=float)
        before = np.mean((example.mixture - example.target) ** 2, dtype=float)
        assert 10 * np.log10(before / residual) == pytest.approx(example.improvement, abs=1e-3)


def test_the_report_shows_every_class_and_stands_alone(evaluated) -> None:
    results, examples = evaluated
    text = render_report(results, examples)
    page = Page(text)
    assert page.open == []
    for row in results.classes:
        assert f"<td>{row.name}</td>" in text
        assert f"{row.name}<title>" in text
    assert "exp/&lt;model&gt;" in text
    assert "<script" not in text
    assert "@import" not in text
    assert "url(" not in text
    links = [value for _, attrs in page.elements for key, value in attrs.items() if key in LINKS]
    assert links
    assert all(link.startswith("data:") for link in links)
    assert decibels(results.bank["sdr_improvement"].value) in text


LINKS = ("src", "href", "xlink:href", "srcset", "data")


def test_the_bars_are_as_long_as_the_improvements(evaluated) -> None:
    results, _ = evaluated
    bars = [attrs for tag, attrs in Page(render_report(results)).elements if tag == "rect"]
    ranked = sorted(results.classes, key=lambda row: -row.bank.sdr_improvement)
    for css, query in (("bank", "bank"), ("oracle", "oracle")):
        widths = np.array([float(bar["width"]) for bar in bars if bar["class"] == css])
        values = np.array([getattr(row, query).sdr_improvement for row in ranked])
        np.testing.assert_allclose(widths / widths[0], values / values[0], rtol=2e-3)


def test_the_players_hold_the_examples_samples(evaluated) -> None:
    results, examples = evaluated
    text = render_report(results, examples)
    players = re.findall(r'<audio[^>]* src="data:audio/flac;base64,([^"]+)"', text)
    assert len(players) == 9
    for number, example in enumerate(examples):
        sounds = (example.mixture, example.target, example.estimate)
        for sound, player in zip(sounds, players[3 * number :], strict=False):
            decoded, rate = sf.read(io.BytesIO(base64.b64decode(player)), dtype="float32")
            assert rate == RATE
            np.testing.assert_allclose(decoded, playing_gain(example) * sound, atol=1 / 32768)


def test_a_report_that_would_be_too_large_leaves_examples_out(evaluated, monkeypatch) -> None:
    results, examples = evaluated
    one = len(render_report(results, examples[:1])) - len(render_report(results))
    monkeypatch.setattr("uss_plugins.evaluation.report.LARGEST_PAGE", int(1.5 * one))
    text = render_report(results, examples)
    assert text.count('<article class="example">') == 1
    assert "of 3; the others would make the page too large" in text


def test_skipped_pairs_and_classes_without_pairs_are_said(evaluated) -> None:
    results, _ = evaluated
    empty = replace(results.classes[0], pair_count=0, bank=None, oracle=None, leak=None)
    changed = replace(
        results, skipped=("dog.wav: broken",), classes=(empty, *results.classes[1:]), leak=None
    )
    text = render_report(changed)
    assert "No mixture of 1 classes: Class 0." in text
    assert "1 mixtures were skipped: dog.wav: broken." in text


def test_a_spectrogram_puts_a_tone_in_its_row() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(4 * SAMPLES) / RATE).astype(np.float32)
    levels = spectrogram_levels(tone, RATE)
    row = round(levels.shape[0] * 1000 / (RATE / 2))
    assert bool((np.abs(levels.argmax(axis=0) - row) <= 1).all())
    assert spectrogram_levels(tone[:1], RATE).shape[0] == levels.shape[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.14, "3.1"), (-2.0, "\N{MINUS SIGN}2.0"), (-0.01, "0.0"), (None, "\N{EN DASH}")],
)
def test_levels_are_set_with_true_signs(value, text) -> None:
    assert decibels(value) == text
