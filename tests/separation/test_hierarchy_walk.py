"""The walk through the ontology with models of known answers: files, tree.json, and what was computed."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import soundfile
import torch
from band_models import RATE, AddsOne, KeepsBands, Recorder, ScalesByCondition
from numpy.typing import NDArray
from ontology_models import (
    AMBULANCE,
    NAMES,
    SPEECH,
    VIOLIN,
    ontology_model,
    tagger_of,
    tones,
    write,
)

from registry.errors import UserError
from uss_plugins.separation.hierarchy.plan import Selection
from uss_plugins.separation.hierarchy.report import render_page
from uss_plugins.separation.hierarchy.walk import Walk, separate_hierarchy
from uss_plugins.separation.recording import Settings

SETTINGS = Settings(segment_seconds=0.5, overlap_seconds=0.0, batch_size=3)
SECONDS = 2.0
PARTS = ((SPEECH, 0.5, 0.0, 1.0), (AMBULANCE, 0.4, 0.5, 1.5))
"""Speech in the first two of four segments, a siren in the middle two; the last is silent."""


def walk(
    tmp_path: Path,
    separator: Recorder | None = None,
    selection: Selection | None = None,
    settings: Settings = SETTINGS,
    audio: NDArray[np.float64] | None = None,
) -> Walk:
    audio = tones(*PARTS, seconds=SECONDS) if audio is None else audio
    path = write(tmp_path / "street.wav", audio)
    model = ontology_model(separator or KeepsBands())
    selection = selection or Selection(levels=(1, 2, 3))
    return separate_hierarchy(model, path, selection, tmp_path / "out", settings)


def by_name(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in tree["nodes"]}


def read(path: Path) -> NDArray[np.float64]:
    audio, rate = soundfile.read(path)
    assert rate == RATE
    return np.asarray(audio)


def test_each_active_node_gets_the_sound_of_its_classes(tmp_path: Path) -> None:
    walk(tmp_path)
    out = tmp_path / "out"
    made = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    speech = ["level=1/Human sounds.flac", "level=2/Human voice.flac", "level=3/Speech.flac"]
    siren = [
        "level=1/Sounds of things.flac",
        "level=2/Alarm.flac",
        "level=2/Vehicle.flac",
        "level=3/Motor vehicle (road).flac",
        "level=3/Siren.flac",
    ]
    assert made == sorted([*speech, *siren, "report.html", "timeline.png", "tree.json"])
    for files, part in ((speech, PARTS[0]), (siren, PARTS[1])):
        for file in files:
            np.testing.assert_allclose(read(out / file), tones(part, seconds=SECONDS), atol=2e-6)


def test_tree_json_says_what_was_done(tmp_path: Path) -> None:
    made = walk(tmp_path)
    tree = json.loads((tmp_path / "out" / "tree.json").read_text())
    assert tree == made.tree
    assert tree["input"] == str(tmp_path / "street.wav")
    assert (tree["sample_rate"], tree["channels"], tree["samples"]) == (RATE, 1, 2 * RATE)
    assert tree["duration_seconds"] == SECONDS
    assert tree["settings"] == {
        "levels": [1, 2, 3],
        "nodes": [],
        "threshold": 0.2,
        "top": None,
        "min_seconds": 0.0,
        "first_parent": False,
        "segment_seconds": 0.5,
        "overlap_seconds": 0.0,
        "consistent": False,
    }
    starts = [0.0, 0.5, 1.0, 1.5]
    assert tree["segments"] == [{"start_seconds": s, "end_seconds": s + 0.5} for s in starts]
    assert tree["residuals"] == {}
    voice = by_name(tree)["Human voice"]
    root = np.sqrt(0.5)
    assert voice == {
        "id": "/m/09l8g",
        "name": "Human voice",
        "level": 2,
        "parents": ["/m/0dgw9r"],
        "classes": ["Speech"],
        "class_ids": ["/m/09x0r"],
        "spans": [
            {
                "start_seconds": 0.0,
                "end_seconds": 1.0,
                "probability": pytest.approx(0.5 * root, abs=1e-4),
            }
        ],
        "probabilities": pytest.approx([0.5 * root, 0.5 * root, 0, 0], abs=1e-4),
        "probability": pytest.approx(0.5 * root, abs=1e-4),
        "energy_share": pytest.approx(0.5**2 / (0.5**2 + 0.4**2), abs=1e-4),
        "file": "level=2/Human voice.flac",
    }


def test_a_node_with_several_parents_is_below_each_of_them(tmp_path: Path) -> None:
    tree = walk(tmp_path, selection=Selection(names=("Ambulance (siren)",))).tree
    nodes = by_name(tree)
    names = {node["id"]: node["name"] for node in tree["nodes"]}
    ambulance = nodes["Ambulance (siren)"]
    assert {names[parent] for parent in ambulance["parents"]} == {"Emergency vehicle", "Siren"}
    assert [node["name"] for node in tree["nodes"] if node["file"]] == ["Ambulance (siren)"]
    assert ambulance["file"] == f"level={ambulance['level']}/Ambulance (siren).flac"
    for above in ("Vehicle", "Alarm"):
        assert nodes[above]["file"] is None
        assert nodes[above]["energy_share"] is None
        assert nodes[above]["spans"] == ambulance["spans"]


@pytest.mark.parametrize(("batch_size", "calls"), [(1, 3), (2, 2), (3, 1), (9, 1)])
def test_the_tagger_runs_once_a_segment_and_nodes_and_segments_share_batches(
    tmp_path: Path, batch_size: int, calls: int
) -> None:
    separator = KeepsBands()
    model = ontology_model(separator)
    path = write(tmp_path / "street.wav", tones(*PARTS, seconds=SECONDS))
    settings = Settings(segment_seconds=0.5, overlap_seconds=0.0, batch_size=batch_size)
    separate_hierarchy(model, path, Selection(levels=(1, 2, 3)), tmp_path / "out", settings)
    heard = tagger_of(model).heard
    assert len(heard) == calls
    assert sum(len(one) for one in heard) == 3  # the fourth is silent
    # Eight nodes in two lineages of one class each: an estimate for each class and segment.
    assert len(separator.conditions) == 4
    sizes = [shape[0] for shape in separator.shapes]
    assert max(sizes) <= batch_size
    if batch_size == 9:
        assert sizes == [4]


def test_what_shares_its_active_classes_is_computed_once_and_else_not(tmp_path: Path) -> None:
    separator = KeepsBands()
    audio = tones((SPEECH, 0.5, 0.0, 0.5), (AMBULANCE, 0.5, 0.0, 0.5), seconds=0.5)
    walk(tmp_path, separator, Selection(levels=(1, 2, 3, 4)), audio=audio)
    conditions = torch.stack(separator.conditions)
    assert conditions.count_nonzero(1).tolist() == [1, 1]
    assert conditions.argmax(1).sort().values.tolist() == [SPEECH, AMBULANCE]


def test_the_condition_is_the_probabilities_within_the_node(tmp_path: Path) -> None:
    separator = ScalesByCondition()
    model = ontology_model(separator)
    model.class_names = ("Speech", "Snoring", "Music", "x")
    model.class_ids = ("/m/09x0r", "/m/01d3sd", "/m/04rlf", "x")
    parts = ((0, 0.5, 0.0, 0.5), (1, 0.1, 0.0, 0.5), (2, 0.4, 0.0, 0.5))
    path = write(tmp_path / "a.wav", tones(*parts, seconds=0.5))
    separate_hierarchy(model, path, Selection(levels=(1,)), tmp_path / "out", SETTINGS)
    root = float(np.sqrt(0.5))
    expected = [[0, 0, 0.4 * root, 0], [0.5 * root, 0.1 * root, 0, 0]]
    got = sorted(one.tolist() for one in separator.conditions)
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_a_strategy_that_is_not_made_of_classes_gets_the_banks_rows_of_active_classes(
    tmp_path: Path,
) -> None:
    separator = ScalesByCondition()
    model = ontology_model(separator, class_indexed=False)
    model.class_names = ("Speech", "Snoring", "Music", "Child speech, kid speaking")
    model.class_ids = ("/m/09x0r", "/m/01d3sd", "/m/04rlf", "/m/0ytgt")
    model.query_bank.copy_(torch.arange(16).reshape(4, 4) + 1.0)
    parts = ((0, 0.6, 0.0, 0.5), (1, 0.3, 0.0, 0.5), (2, 0.1, 0.0, 0.5))
    path = write(tmp_path / "a.wav", tones(*parts, seconds=0.5))
    separate_hierarchy(model, path, Selection(levels=(1,)), tmp_path / "out", SETTINGS)
    (condition,) = separator.conditions
    expected = (2 * model.query_bank[0] + model.query_bank[1]) / 3
    np.testing.assert_allclose(condition, expected, rtol=1e-3)


@pytest.mark.parametrize("consistent", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_parts_of_each_level_and_its_residual_add_up_exactly(
    tmp_path: Path, channels: int, consistent: bool
) -> None:
    audio = tones(*PARTS, (VIOLIN, 0.05, 0.0, 2.0), seconds=SECONDS)
    stereo = np.stack([audio, 0.9 * audio], axis=1)[:, :channels]
    settings = Settings(
        segment_seconds=0.5, overlap_seconds=0.1, residual=True, consistent=consistent
    )
    tree = walk(tmp_path, settings=settings, audio=stereo).tree
    original = read(tmp_path / "street.wav")
    assert list(tree["residuals"]) == ["1", "2", "3"]
    for level in (1, 2, 3):
        files = [node["file"] for node in tree["nodes"] if node["level"] == level and node["file"]]
        residual = tree["residuals"][str(level)]["file"]
        assert residual == f"level={level}/residual.flac"
        total = sum(read(tmp_path / "out" / file) for file in [*files, residual])
        np.testing.assert_array_equal(total, original)


def test_consistent_nodes_share_what_several_of_a_level_hold(tmp_path: Path) -> None:
    audio = tones((AMBULANCE, 0.4, 0.0, 2.0), seconds=SECONDS)
    settings = Settings(segment_seconds=0.5, residual=True, consistent=True)
    tree = walk(tmp_path, settings=settings, audio=audio).tree
    nodes = by_name(tree)
    for name in ("Vehicle", "Alarm"):
        assert nodes[name]["energy_share"] == pytest.approx(0.25, abs=0.01)
    assert nodes["Sounds of things"]["energy_share"] == pytest.approx(1, abs=0.01)
    assert tree["residuals"]["2"]["energy_share"] < 0.01


def test_nodes_and_residuals_of_equal_name_get_files_of_their_own(tmp_path: Path) -> None:
    model = ontology_model(KeepsBands())
    model.class_names = ("Same/thing", "same:thing", "residual", "x")
    model.class_ids = ("a", "b", "c", "d")
    parts = tuple((band, 0.4, 0.0, 0.5) for band in range(3))
    path = write(tmp_path / "a.wav", tones(*parts, seconds=0.5))
    settings = Settings(segment_seconds=0.5, residual=True)
    tree = separate_hierarchy(model, path, Selection((1,)), tmp_path / "out", settings).tree
    files = [node["file"] for node in tree["nodes"]]
    assert files == [f"level=1/{n}.flac" for n in ("Same_thing", "same_thing (2)", "residual (2)")]
    for band, file in enumerate(files):
        expected = tones(parts[band], seconds=0.5)
        np.testing.assert_allclose(read(tmp_path / "out" / file), expected, atol=2e-6)
    assert tree["residuals"]["1"]["energy_share"] < 1e-6


def test_silence_and_a_single_sample_give_a_report_and_no_files(tmp_path: Path) -> None:
    for audio in (np.zeros(9000), np.array([0.001])):
        tree = walk(tmp_path, AddsOne(), audio=audio).tree
        assert tree["nodes"] == []
        assert not list((tmp_path / "out").glob("level=*"))
        assert "Nothing was heard" in (tmp_path / "out" / "report.html").read_text()


def test_a_named_node_that_is_never_heard_is_silent(tmp_path: Path) -> None:
    tree = walk(tmp_path, AddsOne(), Selection(names=("Music",))).tree
    (music,) = [node for node in tree["nodes"] if node["file"]]
    assert music["spans"] == []
    assert not read(tmp_path / "out" / music["file"]).any()


def test_a_query_net_that_tags_nothing_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tones(*PARTS, seconds=0.5))
    model = ontology_model(KeepsBands(), tags=False)
    with pytest.raises(UserError, match="tags no classes"):
        separate_hierarchy(model, path, Selection((1,)), tmp_path / "out", SETTINGS)


class Page(HTMLParser):
    """Names in the tree with the names above each, players, pictures, and addresses that lead elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.above: list[str] = []
        self.branches: set[tuple[str, ...]] = set()
        self.players: list[str] = []
        self.pictures = 0
        self.foreign: list[str] = []
        self._depth: list[str] = []
        self._in_name = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._in_name = given.get("class") == "name"
        if tag == "li":
            self._depth.append("")
        if tag == "audio":
            self.players.append(given["src"])
        self.pictures += tag == "img"
        source = given.get("src", "")
        if tag in ("script", "link") or source.startswith(("http", "//")):
            self.foreign.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "li":
            self._depth.pop()

    def handle_data(self, data: str) -> None:
        if self._in_name and self._depth:
            self._depth[-1] = data
            self.branches.add(tuple(self._depth))
        self._in_name = False


def test_the_report_stands_alone_and_shows_every_branch(tmp_path: Path) -> None:
    selection = Selection((1, 2, 3), names=("Ambulance (siren)",))
    made = walk(tmp_path, selection=selection, settings=Settings(0.5, residual=True))
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert page.foreign == []
    things, siren = "Sounds of things", "Ambulance (siren)"
    assert {branch for branch in page.branches if branch[-1] == siren} == {
        (things, "Vehicle", "Motor vehicle (road)", "Emergency vehicle", siren),
        (things, "Alarm", "Siren", siren),
    }
    files = [node for node in made.tree["nodes"] if node["file"]]
    assert len(page.players) == page.pictures == 1 + len(files) + len(made.tree["residuals"])
    assert all(player.startswith("data:audio/mpeg;base64,") for player in page.players)


def test_players_beyond_the_limit_use_the_files_beside_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = walk(tmp_path).tree
    monkeypatch.setattr("uss_plugins.separation.hierarchy.media.LARGEST_SOUNDS", 60_000)
    text = render_page(tree, tmp_path / "out")
    page = Page(text)
    linked = [player for player in page.players if not player.startswith("data:")]
    assert linked
    assert page.players[0].startswith("data:")
    assert all(player.startswith("level%3D") for player in linked)
    assert f"{len(linked)} players use the files beside this page" in text


def test_the_names_in_the_report_are_escaped(tmp_path: Path) -> None:
    model = ontology_model(KeepsBands())
    model.class_names = ("<b>bold</b> $x$", *NAMES[1:])
    model.class_ids = ("own", *model.class_ids[1:])
    path = write(tmp_path / "a&b.wav", tones(PARTS[0], seconds=1.0))
    separate_hierarchy(model, path, Selection((1,)), tmp_path / "out", SETTINGS)
    text = (tmp_path / "out" / "report.html").read_text()
    assert "&lt;b&gt;bold&lt;/b&gt; $x$" in text
    assert "<b>bold" not in text
    assert "a&amp;b.wav" in text


def test_the_timeline_is_a_picture(tmp_path: Path) -> None:
    walk(tmp_path)
    picture = matplotlib.image.imread(tmp_path / "out" / "timeline.png")
    assert picture.shape[1] == 1430
    assert np.ptp(picture[..., :3]) > 0.5
