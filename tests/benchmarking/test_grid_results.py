"""grid.json, grid.md, grid.html and the comparison of two runs, from results that are made up."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from benchmarking.small_grid import figures, results_of, row
from command_line import RunCli

from registry.errors import UserError
from uss_plugins.benchmarking.comparing import compare_grids, improvement
from uss_plugins.benchmarking.curves import read_curve
from uss_plugins.benchmarking.markdown import markdown
from uss_plugins.benchmarking.page import render_page
from uss_plugins.benchmarking.results import (
    ESTIMATE,
    MIXTURE,
    TARGET,
    CurvePoint,
    read_grid_results,
    to_json,
)
from uss_plugins.benchmarking.summary import means_along, pareto_front
from uss_plugins.evaluation.results import Interval

RESULTS = results_of(
    row("soft", "small", figures(4.0, 0.1)),
    row("soft", "large", figures(6.0, 0.4)),
    row("soft", "slow", figures(5.0, 0.8)),
    row("latent", "small", figures(3.0, 0.1)),
    row("latent", "large", reason="the separator <b>has</b> no | room"),
    row("latent", "slow", state="failed", reason="RuntimeError: no"),
)


class Page(HTMLParser):
    """Collects elements and text, and checks that what opens also closes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
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

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_results_survive_their_file(tmp_path: Path) -> None:
    (tmp_path / "grid.json").write_text(to_json(RESULTS), encoding="utf-8")
    assert read_grid_results(tmp_path) == RESULTS
    assert read_grid_results(tmp_path / "grid.json") == RESULTS
    stored = json.loads((tmp_path / "grid.json").read_text())
    assert stored["schema_version"] == 1
    assert stored["rows"][0]["figures"]["sdri"] == {"value": 4.0, "low": 3.5, "high": 4.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory; run benchmark"),
        ("{}", "no grid.json: schema_version: Field required"),
        (to_json(replace(RESULTS, schema_version=2)), "layout 2, this version reads 1"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "grid.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_grid_results(tmp_path)


def test_the_pareto_front_is_what_nothing_beats() -> None:
    front = [one.name for one, _ in pareto_front(RESULTS.done())]
    assert front == ["cnn_small · soft · small", "cnn_small · soft · large"]


def test_means_are_over_the_combinations_that_all_choices_have() -> None:
    soft, latent = means_along(RESULTS, "embedding")
    assert (soft.label, soft.cells, soft.sdri, soft.matched) == ("soft", 1, 4.0, True)
    assert (latent.label, latent.cells, latent.sdri) == ("latent", 1, 3.0)
    means = {one.label: one for one in means_along(RESULTS, "separator")}
    assert {label: (one.cells, one.sdri) for label, one in means.items()} == {
        "large": (1, 6.0),
        "slow": (1, 5.0),
        "small": (1, 4.0),
    }


def test_means_of_choices_without_a_common_combination_say_so() -> None:
    results = results_of(row("soft", "small", figures(4.0)), row("latent", "large", figures(3.0)))
    assert [one.matched for one in means_along(results, "embedding")] == [False, False]
    assert "no combination of the rest has all of them" in markdown(results)


def test_the_table_has_the_cells_best_first_and_names_the_rest() -> None:
    lines = markdown(RESULTS).splitlines()
    cells = [line.split(" | ") for line in lines if " 2.5 " in line]
    assert [(line[0].strip("| "), line[1].strip()) for line in cells] == [
        ("soft", "large"),
        ("soft", "slow"),
        ("soft", "small"),
        ("latent", "small"),
    ]
    assert cells[0][2].strip() == "6.00 [5.50, 6.50] \\*"
    assert cells[1][2].strip() == "5.00 [4.50, 5.50]"
    assert "- cnn_small · latent · slow: RuntimeError: no" in lines
    assert "- cnn_small · latent · large: the separator <b>has</b> no | room" in lines


def test_the_page_stands_alone_and_shows_every_cell(tmp_path: Path) -> None:
    tone = np.sin(np.arange(800) / 5).astype(np.float32)
    for one, _ in RESULTS.done():
        folder = tmp_path / str(one.folder)
        folder.mkdir(parents=True)
        for name in (MIXTURE, TARGET, ESTIMATE):
            soundfile.write(folder / name, tone, 8000, subtype="FLOAT")
    page = Page(render_page(RESULTS, tmp_path))
    assert page.open == []
    names = [tag for tag, _ in page.elements]
    assert "script" not in names
    sources = [str(attributes.get("src")) for tag, attributes in page.elements if tag == "audio"]
    assert len(sources) == 2 + 4  # the mixture, its target, and an estimate of each cell
    assert all(source.startswith("data:audio/flac;base64,") for source in sources)
    assert not any("href" in attributes for tag, attributes in page.elements if tag != "image")
    heat = [
        attributes for tag, attributes in page.elements if tag == "td" and "style" in attributes
    ]
    assert len(heat) == 4
    grey = [attributes for tag, attributes in page.elements if attributes.get("class") == "none"]
    assert [one["title"] for one in grey] == [
        "the separator <b>has</b> no | room",
        "RuntimeError: no",
    ]
    points = [tag for tag, attributes in page.elements if attributes.get("class") == "point"]
    lines = [tag for tag, attributes in page.elements if tag == "polyline"]
    assert (len(points), len(lines)) == (4, 4)
    assert "6.0" in page.text


def test_a_page_without_any_cell_names_what_failed(tmp_path: Path) -> None:
    page = Page(
        render_page(results_of(row("soft", "small", state="failed", reason="no")), tmp_path)
    )
    assert "Failed" in page.text
    assert "cnn_small · soft · small" in page.text


def test_the_difference_of_paired_runs_is_taken_mixture_by_mixture() -> None:
    generator = np.random.default_rng(0)
    first = {"a": generator.normal(5, 3, 20).tolist(), "b": generator.normal(1, 3, 20).tolist()}
    second = {name: [value + 0.25 for value in values] for name, values in first.items()}
    paired = improvement(first, second, paired=True)
    assert (paired.value, paired.low, paired.high) == pytest.approx((0.25, 0.25, 0.25))
    apart = improvement(first, second, paired=False)
    assert apart.value == pytest.approx(0.25)
    assert apart.low < 0 < 0.5 < apart.high


def test_improvement_is_the_difference_of_means_of_medians() -> None:
    first, second = {"a": [0.0, 1.0, 5.0], "b": [2.0]}, {"a": [4.0, 2.0, 3.0], "b": [7.0]}
    assert improvement(first, second, paired=True).value == (3 + 7) / 2 - (1 + 2) / 2


def test_two_runs_are_compared_and_what_only_one_has_is_named() -> None:
    other = results_of(
        row("soft", "small", figures(5.0, 0.05)),
        row("soft", "slow", state="failed", reason="no"),
        row("hard", "small", figures(2.0)),
    )
    comparison = compare_grids(RESULTS, other)
    (difference,) = comparison.differences
    assert difference.name == "cnn_small · soft · small"
    assert difference.sdri == Interval(1.0, 1.0, 1.0)
    assert (difference.paired, difference.real_time_factor) == (True, 0.5)
    assert comparison.only_first == (
        "cnn_small · soft · large",
        "cnn_small · soft · slow (there: failed)",
        "cnn_small · latent · small",
    )
    assert comparison.only_second == ("cnn_small · hard · small",)


def test_runs_with_other_mixtures_are_not_paired() -> None:
    other = results_of(row("soft", "small", figures(5.0, mixtures="4567")))
    (difference,) = compare_grids(RESULTS, other).differences
    assert not difference.paired


def test_compare_on_the_command_line(run_cli: RunCli, tmp_path: Path) -> None:
    for name, sdri in (("a", 4.0), ("b", 4.5)):
        (tmp_path / name).mkdir()
        text = to_json(results_of(row("soft", "small", figures(sdri))))
        (tmp_path / name / "grid.json").write_text(text, encoding="utf-8")
    done = run_cli("benchmark", "--compare", tmp_path / "a", tmp_path / "b" / "grid.json")
    assert done.returncode == 0, done.stderr
    assert "+0.50 [+0.50, +0.50]" in done.stdout
    missing = run_cli("benchmark", "--compare", tmp_path / "a", tmp_path / "c")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)


def test_curves_of_an_interrupted_training_are_joined_where_it_went_on(tmp_path: Path) -> None:
    head = "epoch,loss,step,val_loss,val_sdri\n"
    logs = {
        "version_0": "0,3.0,0,,\n0,,1,2.5,1.5\n1,9.0,2,,\n1,,3,9.0,9.0\n",
        "version_1": "1,2.0,2,,\n1,,3,1.5,nan\n",
        "version_10": "2,1.0,4,,\n2,,5,1.0,3.5\n",
    }
    for name, text in logs.items():
        folder = tmp_path / "logs" / "csv" / name
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(head + text)
    assert read_curve(tmp_path) == (
        CurvePoint(1, loss=3.0),
        CurvePoint(2, validation_loss=2.5, validation_sdri=1.5),
        CurvePoint(3, loss=2.0),
        CurvePoint(4, validation_loss=1.5),
        CurvePoint(5, loss=1.0),
        CurvePoint(6, validation_loss=1.0, validation_sdri=3.5),
    )
