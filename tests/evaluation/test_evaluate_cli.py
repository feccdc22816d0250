"""`uss-plugins evaluate`, as installed, with a small untrained model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from uss_plugins.cli import main
from uss_plugins.compose import build_corpus, build_model, settle_sample_rate
from uss_plugins.corpora.anchors import AnchorTable
from uss_plugins.evaluation.results import read_results
from uss_plugins.recipe import load_recipe
from uss_plugins.separation.folder import save_model

RECIPE = """
corpus:
  name: synthetic
  sample_rate: 8000
  clip_seconds: 2.0
  classes: [Speech, Bark, Siren, Rain, Piano]
  splits: {test: {clips: 48}}
query_net: {name: cnn_small, sample_rate: 8000, channels: [4, 4], embedding_size: 8}
embedding: {name: hard}
separator:
  {name: resunet_small, sample_rate: 8000, stage_channels: [4, 4], window_size: 256, hop_size: 64}
tagger: {steps: 1, validate_every: 1}
training: {steps: 1, validate_every: 1}
evaluation: {pairs_per_class: 2, absent_per_class: 1, segment_seconds: 0.5, examples: 2}
"""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model's folder and its recipe."""
    folder = tmp_path_factory.mktemp("experiment")
    recipe_file = folder / "recipe.yaml"
    recipe_file.write_text(RECIPE)
    recipe = load_recipe(recipe_file)
    corpus = build_corpus(recipe, "test")
    torch.manual_seed(0)
    model = build_model(
        settle_sample_rate(recipe, corpus.sample_rate), corpus.class_names, corpus.class_ids
    )
    model.query_bank.copy_(torch.eye(len(corpus.class_names)))
    save_model(model, folder / "model", recipe)
    return folder / "model", recipe_file


def test_evaluate_writes_its_results_and_report(experiment, run_cli) -> None:
    model, recipe_file = experiment
    done = run_cli("evaluate", model, recipe_file)
    assert done.returncode == 0, done.stderr
    results = read_results(model / "evaluation" / "results.json")
    assert len(results.pairs) == 2 * len(results.classes)
    assert len(results.leaks) == len(results.classes)
    assert all(row.name in done.stdout for row in results.classes)
    assert f"{results.bank['sdr_improvement'].value:.2f}" in done.stdout
    assert "report.html" in done.stdout
    # Told the class, the one-hot strategy hears the same from the bank as from the clean target.
    for score in results.pairs:
        assert score.oracle.sdr == pytest.approx(score.bank.sdr, abs=1e-3)
    report = (model / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert report.count('<article class="example">') == 2
    assert sorted(path.name for path in (model / "evaluation").iterdir()) == [
        "report.html",
        "results.json",
    ]


def test_json_is_all_that_is_printed(experiment, run_cli, tmp_path: Path) -> None:
    model, recipe_file = experiment
    changes = ("--set", "evaluation.pairs_per_class=1", "--set", "evaluation.seed=4")
    done = run_cli("evaluate", model, recipe_file, "--json", "--output-dir", tmp_path, *changes)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed == json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert printed["settings"]["seed"] == 4
    assert len(printed["pairs"]) == len(printed["classes"])


def test_mined_segments_come_from_the_anchors_file(experiment, run_cli, tmp_path: Path) -> None:
    model, recipe_file = experiment
    corpus = build_corpus(load_recipe(recipe_file), "test")
    clip, class_index = np.nonzero(corpus.labels)
    anchors = AnchorTable(
        clip=clip,
        class_index=class_index,
        start_samples=np.full(len(clip), 4000),
        probabilities=np.zeros((len(clip), 0), np.float16),
        sample_rate=8000,
        segment_samples=4000,
    )
    anchors.save(tmp_path / "anchors.npz")
    mined = ("--set", "evaluation.segments=mined", "--output-dir", tmp_path)
    done = run_cli("evaluate", model, recipe_file, *mined, "--anchors", tmp_path / "anchors.npz")
    assert done.returncode == 0, done.stderr
    for score in read_results(tmp_path / "results.json").pairs:
        assert score.pair.first.start_samples == 4000
        assert corpus.labels[score.pair.first.number, score.pair.query_class]
        assert not corpus.labels[score.pair.second.number, score.pair.query_class]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "cuda"], "--device cuda: this machine or this torch has no CUDA; use cpu"),
        (["--device", "quantum"], "--device quantum: no such device; use cpu or cuda"),
        (["--device", "meta"], "--device meta: use cpu or cuda"),
        (["--set", "evaluation.segments=mined"], "--anchors FILE"),
        (["--set", "evaluation.pair_count=3"], "pairs_per_class"),
        (["--set", "corpus.sample_rate=16000"], "the recipe's corpus at 16000 Hz"),
        (["--anchors", "missing.npz"], "missing.npz is no anchor table"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(
    experiment, arguments, message, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", *map(str, experiment), *arguments])
    printed = capsys.readouterr()
    assert exit_.value.code == 2
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert message in printed.err


def test_a_missing_model_gets_one_line_and_exit_code_2(experiment, run_cli, tmp_path: Path) -> None:
    done = run_cli("evaluate", tmp_path / "nowhere", experiment[1])
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "nowhere" in done.stderr
