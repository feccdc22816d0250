"""The AudioSet recipes, run from files to the table on a few clips in the real layouts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import h5py
import pytest
import soundfile
import torch

from uss_plugins.compose import build_model, build_query_net
from uss_plugins.corpora.synthetic import SyntheticCorpus
from uss_plugins.evaluation.results import read_results
from uss_plugins.files import write_text
from uss_plugins.labels.audioset import classes
from uss_plugins.recipe import Recipe, dump_recipe, load_recipe
from uss_plugins.separation.folder import CLASSES, RECIPE, WEIGHTS, save_weights, write_classes

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes" / "audioset"
FIRST_LINE = "# uss-plugins train recipes/audioset/{name}.yaml --exp-dir exp/audioset/{name}"
HEADER = "# Segments csv\n# num_ytids\n# YTID, start_seconds, end_seconds, positive_labels\n"
SOUNDS = ("Speech", "Siren", "Bark", "Rain")


def write_split(folder: Path, name: str, split: str, clips: int) -> None:
    """One of AudioSet's lists and its audio; the last file is missing."""
    corpus = SyntheticCorpus(
        split,
        clips + 1,
        32000,
        classes=SOUNDS,
        max_classes_per_clip=1,  # type: ignore[arg-type]
    )
    audio = folder / "audios" / f"{name}_segments"
    audio.mkdir(parents=True)
    lines = []
    for clip in range(clips + 1):
        ytid = f"{split[:5]:_<5}{clip:06d}"
        machine_ids = [corpus.class_ids[k] for k in corpus.labels[clip].nonzero()[0]]
        lines.append(f'{ytid}, 30.000, 40.000, "{",".join(machine_ids)}"\n')
        if clip < clips:
            soundfile.write(audio / f"Y{ytid}.wav", corpus.clip(clip), 32000)
    write_text(folder / "metadata" / f"{name}_segments.csv", HEADER + "".join(lines))


def write_net(folder: Path, recipe: Recipe, seed: int) -> None:
    """A net's weights as `import` leaves them, at random."""
    names, ids = (tuple(getattr(one, key) for one in classes()) for key in ("name", "machine_id"))
    torch.manual_seed(seed)
    write_text(folder / RECIPE, dump_recipe(recipe))
    write_classes(folder / CLASSES, names, ids)
    save_weights(build_query_net(recipe, names), folder / WEIGHTS)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny AudioSet, and an experiment's folder with tiny nets' weights in it."""
    audioset = tmp_path_factory.mktemp("audioset")
    write_split(audioset, "balanced_train", "train", 8)
    write_split(audioset, "eval", "test", 4)
    experiment = tmp_path_factory.mktemp("exp")
    recipe = load_recipe(RECIPES / "tiny.yaml")
    write_net(experiment / "weights" / "cnn14", recipe, 1)
    write_net(experiment / "weights" / "cnn14_decision_level_max", recipe.of_tagger(), 2)
    return audioset, experiment


def run_recipe(folders: tuple[Path, Path], *options: str) -> subprocess.CompletedProcess[str]:
    audioset, experiment = folders
    command = [RECIPES / "run.sh", "--recipes", "tiny", "--audioset", audioset]
    return subprocess.run(
        [*command, "--exp-dir", experiment, "--jobs", "1", "--device", "cpu", *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def finished(folders: tuple[Path, Path]) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The experiment after all stages, and what they said."""
    done = run_recipe(folders)
    assert done.returncode == 0, done.stdout + done.stderr
    return folders[1], done


def test_all_stages_lead_from_files_to_the_table(finished) -> None:
    experiment, done = finished
    assert "packed: 8 of 9 clips" in done.stdout
    assert "without audio: 1 (Ytrain000008.wav)" in done.stdout
    assert "index: 8 clips of 1 files, 1 without audio" in done.stdout
    assert "anchors, test: 4 mined" in done.stdout
    with h5py.File(experiment / "hdf5" / "balanced_train.h5") as part:
        assert part["waveform"].shape == (9, 320000)
    results = read_results(experiment / "tiny" / "model" / "evaluation" / "results.json")
    assert len(results.pairs) == 4
    assert len(results.classes) == 527
    assert "| tiny " in done.stdout.splitlines()[-3]


def test_both_splits_pairs_are_in_the_released_layout(finished) -> None:
    experiment, _ = finished
    for name in ("2s_segments_balanced_train", "2s_segments_test"):
        mixtures = sorted((experiment / "pairs" / name).glob("class_id=*/*,mixture.wav"))
        assert mixtures
        assert (experiment / "pairs" / f"{name}.csv").exists()
        for mixture in mixtures:
            for path in (mixture, Path(str(mixture).replace("mixture", "source"))):
                info = soundfile.info(path)
                assert (info.samplerate, info.frames) == (32000, 64000)


def test_running_it_again_changes_no_file(finished, folders) -> None:
    experiment, _ = finished
    before = {path: path.stat().st_mtime_ns for path in experiment.rglob("*.wav")}
    for name in (
        "hdf5/eval.h5",
        "shared_balanced/anchors/train.npz",
        "tiny/model/weights.safetensors",
    ):
        before[experiment / name] = (experiment / name).stat().st_mtime_ns
    again = run_recipe(folders, "--stop-stage", "6", "--indexes", str(experiment / "indexes"))
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_weights_are_asked_for_never_fetched_unasked(folders, tmp_path: Path) -> None:
    done = run_recipe((folders[0], tmp_path), "--stage", "3", "--stop-stage", "3")
    assert done.returncode == 2
    assert "--weights DIR with Cnn14_mAP=0.431.pth, or --fetch" in done.stderr


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*_*.yaml")), ids=lambda path: path.stem)
def test_each_recipe_says_the_papers_training(path: Path) -> None:
    assert path.read_text().startswith(FIRST_LINE.format(name=path.stem))
    recipe = load_recipe(path)
    training = recipe.training
    assert (training.steps, training.batch_size, training.loss) == (1_000_000, 16, "l1_waveform")
    assert (training.optimiser.learning_rate, training.optimiser.amsgrad) == (1e-3, True)
    assert training.schedule.name == "constant_warm_up"
    assert training.schedule.parameters == {"warm_up_steps": 10_000}
    assert recipe.anchors.segment_seconds == 2
    assert recipe.query_net.name == "cnn14"
    assert recipe.of_tagger().query_net.name == "cnn14_decision_level_max"
    words = path.stem.split("_")
    assert recipe.embedding.name == words[1]
    assert recipe.separator.name == ("resunet60" if "resunet60" in words else "resunet30")
    assert recipe.corpus.name == ("audioset_csv" if "csv" in words else "audioset_hdf5")
    indexes: Mapping[str, str] = recipe.corpus.parameters.get("indexes", {})
    assert "csv" in words or f"{words[0]}_train" in indexes["train"]


@pytest.mark.parametrize(
    "path", sorted(RECIPES.glob("balanced_*.yaml")), ids=lambda path: path.stem
)
def test_each_recipe_composes(path: Path) -> None:
    recipe = load_recipe(path, ["query_net={name: cnn_small, sample_rate: 32000}"])
    ids = [one.machine_id for one in classes()]
    with torch.device("meta"):  # sizes need no values
        model = build_model(recipe, [one.name for one in classes()], ids)
    assert (model.sample_rate, len(model.class_names)) == (32000, 527)


def test_every_strategy_is_there_for_both_sizes() -> None:
    names = {path.stem for path in RECIPES.glob("*.yaml")}
    wanted = {"hard", "soft", "latent", "learnable", "soft_resunet60"}
    assert {f"{data}_{one}" for data in ("balanced", "full") for one in wanted} <= names
