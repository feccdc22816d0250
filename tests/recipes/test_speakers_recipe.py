"""A voice sample as the query: a net that tags nothing is trained with, and its model separates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from command_line import RunCli
from numpy.typing import NDArray

from uss_plugins.query_nets.speaker import speechbrain_ecapa
from uss_plugins.separation.folder import load_model

RECIPES = Path(__file__).parents[2] / "recipes" / "speakers"
RATE = 8000
SPEAKERS = {"Ada": 300.0, "Ben": 900.0, "Cleo": 2000.0}
ENCODER = {
    "channels": "[8,8,8,8,8]",
    "attention_channels": 4,
    "se_channels": 4,
    "embedding_size": 8,
}
SMALL = {
    "corpus.sample_rate": RATE,
    "corpus.cache": "false",
    "query_net.sample_rate": RATE,
    **{f"query_net.{key}": value for key, value in ENCODER.items()},
    "separator.encoder_out_nchannels": 8,
    "anchors.segment_seconds": 0.5,
    "training.steps": 4,
    "training.validate_every": 2,
    "training.validation_batches": 1,
    "training.batch_size": 3,
    "training.schedule.warm_up_steps": 1,
}


def voice(speaker: str, number: int) -> NDArray[np.float64]:
    """A second of a tone at the speaker's own pitch, in noise."""
    generator = np.random.default_rng(number)
    time = np.arange(RATE) / RATE
    return 0.2 * np.sin(2 * np.pi * SPEAKERS[speaker] * time) + generator.normal(0, 0.01, RATE)


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of three speakers, three clips each; two for training."""
    folder = tmp_path_factory.mktemp("speakers")
    lines = ["path,labels,split"]
    for number in range(9):
        speaker = list(SPEAKERS)[number % 3]
        soundfile.write(folder / f"{number}.wav", voice(speaker, number), RATE)
        lines.append(f"{number}.wav,{speaker},{'valid' if number >= 6 else 'train'}")
    (folder / "speakers.csv").write_text("\n".join(lines) + "\n")
    return folder / "speakers.csv"


def small(recipe: str, speakers: Path, exp_dir: Path, **changes: object) -> list[str | Path]:
    values = {**SMALL, "corpus.path": speakers, **changes}
    sets = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    return [RECIPES / recipe, "--exp-dir", exp_dir, "--device", "cpu", *sets]


def test_voices_are_the_query_of_what_learns_together(
    run_cli: RunCli, speakers: Path, tmp_path: Path
) -> None:
    arguments = small("joint.yaml", speakers, tmp_path / "exp")
    trained = run_cli("train", *arguments)
    assert trained.returncode == 0, trained.stderr
    assert not (tmp_path / "exp" / "tagger").exists()
    assert json.loads((tmp_path / "exp" / "anchors" / "anchors.json").read_text()) == {
        "train": {"anchors": 6, "unreadable": 0},
        "valid": {"anchors": 3, "unreadable": 0},
    }
    model = load_model(tmp_path / "exp" / "model")
    assert model.class_names == ("Ada", "Ben", "Cleo")
    mixture = voice("Ada", 100) + voice("Cleo", 101)
    soundfile.write(tmp_path / "x.wav", mixture, RATE)
    soundfile.write(tmp_path / "voice.wav", voice("Ada", 102), RATE)
    for query in (("--query", tmp_path / "voice.wav"), ("--classes", "Ada")):
        done = run_cli(
            *("separate", tmp_path / "x.wav", "--model", tmp_path / "exp" / "model", *query),
            *("--output-dir", tmp_path / query[0].strip("-")),
        )
        assert done.returncode == 0, done.stderr
    (by_voice,) = tmp_path.glob("query/**/voice.*")
    assert soundfile.info(by_voice).frames == len(mixture)
    assert len(list(tmp_path.glob("classes/**/Ada.*"))) == 1
    heard = run_cli(
        *("separate", tmp_path / "x.wav", "--model", tmp_path / "exp" / "model"),
        *("--output-dir", tmp_path / "heard"),
    )
    assert heard.returncode == 2
    assert "tags no classes, so it cannot tell where they sound" in heard.stderr
    assert "Traceback" not in heard.stderr
    assert (tmp_path / "heard" / "manifest.jsonl").is_file()


def test_published_weights_are_kept_and_needed_no_more(
    run_cli: RunCli, speakers: Path, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    given = speechbrain_ecapa(
        RATE, embedding_size=8, channels=[8] * 5, attention_channels=4, se_channels=4
    )
    weights = tmp_path / "published"
    weights.mkdir()
    torch.save(given.encoder.state_dict(), weights / "embedding_model.ckpt")
    changes = {
        "query_net.weights": weights,
        "embedding.hidden_size": 8,
        "embedding.condition_size": 8,
    }
    trained = run_cli("train", *small("ecapa.yaml", speakers, tmp_path / "exp", **changes))
    assert trained.returncode == 0, trained.stderr
    (weights / "embedding_model.ckpt").unlink()
    kept = load_model(tmp_path / "exp" / "model").query_net.state_dict()
    assert all(torch.equal(kept[key], value) for key, value in given.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {},
            "query_net 'speechbrain_ecapa' has no weights and is not trained; give query_net.weights",
        ),
        ({"query_net.weights": "gone"}, "gone: no such file"),
        (
            {"anchors.method": "largest_area", "training.train_query_net": "true"},
            "query_net 'speechbrain_ecapa' tags no classes, so it cannot find anchors",
        ),
        (
            {"query_net.sample_rate": 16000, "training.train_query_net": "true"},
            "the model works at 16000 Hz, the corpus at 8000 Hz; give the corpus sample_rate=16000",
        ),
        (
            {"embedding": "{name: soft}", "training.train_query_net": "true"},
            "embedding strategy 'soft': the query net has no classes",
        ),
    ],
    ids=["no weights", "weights gone", "no tagger", "another rate", "soft"],
)
def test_what_cannot_be_trained_is_told_in_one_line(
    speakers: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    from registry.errors import UserError
    from uss_plugins.cli.recipe_options import open_experiment

    values = {**SMALL, "corpus.path": speakers, **changes}
    overrides = tuple(f"{key}={value}" for key, value in values.items())
    with pytest.raises(UserError) as caught:
        open_experiment(RECIPES / "ecapa.yaml", tmp_path / "exp", None, overrides, False, "cpu", 1)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
