"""`--text`, `--not-query` and `--not-text` on the command line: what goes together, and what is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from uss_plugins.cli import main

SEPARATED, LESS = "separated/song/Speech.flac", "less/song/Speech.flac"


def separate(
    model_dir: Path, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    """Exit code and standard error of the verb."""
    with pytest.raises(SystemExit) as ended:
        main(["separate", "song.wav", "--model", str(model_dir), *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err


@pytest.fixture(autouse=True)
def _sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings of noise in the current folder."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("song.wav", "other.wav", "more.wav")):
        noise = np.random.default_rng(seed).uniform(-0.3, 0.3, 8000)
        soundfile.write(name, noise, 16000)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--text", "a dog"),
            "reads no text; query by --query or --classes, or train a model with",
        ),
        (("--classes", "Speech", "--not-text", "a dog"), "reads no text"),
        (("--text", "a", "--query", "other.wav"), "--query and --text both say what to extract"),
        (("--text", "a", "--classes", "Speech"), "--classes and --text both say"),
        (
            ("--text", "a", "--threshold", "0.5"),
            "--threshold is about classes, and --text has none",
        ),
        (("--query", "other.wav", "--together"), "--together joins the classes of --classes or"),
        (("--not-query", "other.wav"), "--not-query takes away from what --classes, --query or"),
        (("--not-text", "a"), "for all but one sound --query with --residual"),
        (("--levels", "1", "--text", "a"), "--text does not go with --levels and --node"),
        (("--node", "Music", "--not-query", "other.wav"), "--not-query does not go with --levels"),
        (("--query", "other.wav", "--not-query", "other.wav"), "leave nothing of 'other'"),
        (("--classes", "Speech", "--not-query", "none.wav"), "none.wav"),
    ],
)
def test_mistakes_get_one_line(
    arguments: tuple[str, ...],
    said: str,
    tiny_model_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, told = separate(tiny_model_dir, capsys, *arguments)
    assert code == 2
    assert said in told
    assert len(told.splitlines()) == 1


def test_negatives_take_files_up_to_the_next_option(
    tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unwanted = ("--not-query", "other.wav", "more.wav", "--output-dir", "less")
    assert separate(tiny_model_dir, capsys, "--classes", "Speech") == (0, "")
    assert separate(tiny_model_dir, capsys, "--classes", "Speech", *unwanted) == (0, "")
    plain, less = (soundfile.read(tmp_path / place)[0] for place in (SEPARATED, LESS))
    assert plain.shape == less.shape
    assert not np.array_equal(plain, less)
