"""The synthetic recipe, run small from end to end, and what comes after it: compare, real input, score."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

RECIPE = Path(__file__).parents[2] / "recipes" / "synthetic"
STRATEGIES = ("soft", "hard", "latent", "learnable")
TINY = {
    "corpus.clip_seconds": "3.0",
    "corpus.classes": '["Speech", "Siren", "White noise"]',
    "corpus.splits": "{train: {clips: 24}, valid: {clips: 9}, test: {clips: 9}}",
    "query_net.channels": "[4, 8]",
    "query_net.embedding_size": "8",
    "separator.stage_channels": "[4, 8]",
    "tagger.steps": "4",
    "tagger.validate_every": "2",
    "tagger.validation_batches": "1",
    "training.steps": "2",
    "training.validate_every": "2",
    "training.validation_batches": "1",
    "evaluation.pairs_per_class": "2",
    "evaluation.absent_per_class": "1",
    "evaluation.bootstrap_samples": "10",
    "evaluation.examples": "1",
}


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A script of the recipe, with this environment's console script in its path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [RECIPE / script, *arguments],
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run of all four strategies."""
    folder = tmp_path_factory.mktemp("synthetic")
    settings = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    done = run("run.sh", "--exp-dir", folder, "--", *settings)
    assert done.returncode == 0, done.stderr
    (folder / "run.txt").write_text(done.stdout)
    return folder


def test_run_ends_in_a_table_of_all_strategies(experiment: Path) -> None:
    text = (experiment / "run.txt").read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ")]
    assert [row[1].strip() for row in rows[2:]] == list(STRATEGIES)
    for strategy, row in zip(STRATEGIES, rows[2:], strict=True):
        results = json.loads(
            (experiment / strategy / "model" / "evaluation" / "results.json").read_text()
        )
        assert row[2].split()[0] == f"{results['bank']['sdr_improvement']['value']:.2f}"
        assert (experiment / strategy / "model" / "evaluation" / "report.html").stat().st_size > 0


def test_run_again_does_nothing_twice(experiment: Path) -> None:
    weights = [experiment / s / "model" / "weights.safetensors" for s in STRATEGIES]
    before = [path.stat().st_mtime_ns for path in weights]
    settings = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    done = run("run.sh", "--exp-dir", experiment, "--stop-stage", "4", "--", *settings)
    assert done.returncode == 0, done.stderr
    assert [path.stat().st_mtime_ns for path in weights] == before


def test_a_failure_of_one_strategy_ends_the_run(experiment: Path, tmp_path: Path) -> None:
    shutil.copytree(experiment / "shared", tmp_path / "shared")
    settings = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    wrong = ("--set", "separator.hop_size=0")
    stages = ("--exp-dir", tmp_path, "--stage", "3", "--strategies", "hard soft")
    done = run("run.sh", *stages, "--", *settings, *wrong)
    assert done.returncode != 0
    assert "hop_size=0 must be in" in done.stderr
    assert "|" not in done.stdout


def test_real_input_is_separated_and_scored(experiment: Path, tmp_path: Path) -> None:
    done = run("real_input.sh", experiment / "soft" / "model", tmp_path / "real")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == (
        ["speech_and_siren"] * 2 + ["speech_and_noise"] * 2 + ["all_three"] * 3
    )
    mixture = soundfile.info(tmp_path / "real" / "speech_and_siren.flac")
    assert (mixture.samplerate, mixture.channels, mixture.format) == (44100, 2, "FLAC")
    estimate = soundfile.info(tmp_path / "real" / "speech_and_siren" / "Speech.wav")
    assert (estimate.samplerate, estimate.channels) == (44100, 2)
    assert estimate.frames == mixture.frames


def test_unknown_options_of_the_scripts_are_refused() -> None:
    for script in ("run.sh", "demo.sh"):
        done = run(script, "--stagge", "1")
        assert (done.returncode, done.stdout) == (2, "")
        assert "--stagge" in done.stderr


def test_compare_names_what_is_missing(run_cli, experiment: Path, tmp_path: Path) -> None:
    done = run_cli("compare", tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "training.json" in done.stderr
    rows = json.loads(run_cli("compare", experiment / "hard", "--json").stdout)
    assert [row["name"] for row in rows] == ["hard"]


def test_score_is_the_metric_of_the_files_samples(run_cli, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    reference, other = generator.normal(0, 0.1, (2, 800, 2))
    estimate = reference + 0.1 * other
    for name, audio in (
        ("mixture", reference + other),
        ("reference", reference),
        ("estimate", estimate),
    ):
        soundfile.write(tmp_path / f"{name}.wav", audio, 16000, subtype="FLOAT")
    files = [tmp_path / f"{name}.wav" for name in ("mixture", "reference", "estimate")]
    figures = json.loads(run_cli("score", *files, "--json").stdout)
    sdr = 10 * np.log10(np.mean(reference**2) / np.mean((0.1 * other) ** 2))
    assert figures["sdr_db"] == pytest.approx(sdr, abs=1e-3)
    assert figures["sdri_db"] == pytest.approx(20.0, abs=1e-3)


def test_score_refuses_files_that_differ(run_cli, tmp_path: Path) -> None:
    for name, samples in (("a", 100), ("b", 100), ("c", 101)):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(samples), 16000)
    done = run_cli("score", *(tmp_path / f"{name}.wav" for name in "abc"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "c.wav: 16000 Hz, 1 channels, 101 samples" in done.stderr
