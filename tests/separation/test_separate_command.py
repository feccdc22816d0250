"""`uss-plugins separate` with a real model folder, in this process and once as installed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from uss_plugins.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tiny_model_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Calls the verb in `tmp_path`: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run_verb(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exited:
            main(["separate", "--model", str(tiny_model_dir), *arguments])
        captured = capsys.readouterr()
        assert isinstance(exited.value.code, int)
        return exited.value.code, captured.out, captured.err

    return run_verb


def write_noise(path: Path, samples: int = 20000, channels: int = 2, rate: int = 44100) -> Path:
    path.parent.mkdir(exist_ok=True)
    audio = np.random.default_rng(9).uniform(-0.3, 0.3, (samples, channels))
    soundfile.write(path, audio, rate)
    return path


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def report_of(folder: Path) -> dict[str, Any]:
    report = json.loads((folder / "separation.json").read_text())
    assert isinstance(report, dict)
    return report


def test_classes_give_a_file_each_and_a_report(run: Run, tmp_path: Path) -> None:
    song = write_noise(tmp_path / "song.wav")
    code, out, err = run("song.wav", "--classes", "siren,Male speech, man speaking,3", "--residual")
    assert (code, err) == (0, "")
    folder = tmp_path / "separated" / "song"
    names = ["Siren", "Male speech, man speaking", "Rock/pop", "residual"]
    files = ["Siren.flac", "Male speech, man speaking.flac", "Rock_pop.flac", "residual.flac"]
    assert all(file in out for file in files)
    assert files_in(folder) == sorted([*files, "separation.json"])
    report = report_of(folder)
    assert report["input"] == str(song)
    assert (report["sample_rate"], report["channels"], report["samples"]) == (44100, 2, 20000)
    assert [(output["name"], output["file"]) for output in report["outputs"]] == list(
        zip(names, files, strict=True)
    )
    assert report["outputs"][0]["classes"] == ["Siren"]
    assert report["outputs"][0]["probability"] is None
    total = sum(soundfile.read(folder / file)[0] for file in files)
    np.testing.assert_array_equal(total, soundfile.read(song)[0])


def test_together_gives_one_file(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "song.wav", rate=16000, channels=1)
    assert run("song.wav", "--classes", "Speech,Siren", "--together")[0] == 0
    (output,) = report_of(tmp_path / "separated" / "song")["outputs"]
    assert (output["file"], output["classes"]) == ("Speech + Siren.flac", ["Speech", "Siren"])


def test_query_takes_files_up_to_the_next_option(run: Run, tmp_path: Path) -> None:
    for name in ("song.wav", "a.wav", "b.wav"):
        write_noise(tmp_path / name)
    code, _, _ = run("song.wav", "--query", "a.wav", "b.wav", "--output-dir", "out")
    assert code == 0
    assert files_in(tmp_path / "out") == [
        "manifest.jsonl",
        "song/query.flac",
        "song/separation.json",
    ]
    code, _, _ = run("--query=a.wav", "song.wav", "b.wav", "--output-dir", "more")
    assert code == 0
    assert files_in(tmp_path / "more") == sorted(
        ["manifest.jsonl"]
        + [f"{stem}/{file}" for stem in ("b", "song") for file in ("a.flac", "separation.json")]
    )


@pytest.mark.parametrize(("threshold", "count"), [("0", 4), ("1", 0)])
def test_without_a_query_all_that_is_heard(
    run: Run, tmp_path: Path, threshold: str, count: int
) -> None:
    write_noise(tmp_path / "song.wav")
    code, out, _ = run("song.wav", "--threshold", threshold)
    assert code == 0
    assert len(report_of(tmp_path / "separated" / "song")["outputs"]) == count
    assert ("nothing was heard" in out) == (count == 0)


def test_bad_files_are_told_in_a_line_each_and_the_others_done(run: Run, tmp_path: Path) -> None:
    good = write_noise(tmp_path / "good.wav")
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "cut.wav").write_bytes(good.read_bytes()[:30000])
    nan = np.full((1000, 1), np.nan)
    soundfile.write(tmp_path / "nan.wav", nan, 16000, subtype="FLOAT")
    bad = ["none.wav", "text.wav", "empty.wav", "folder", "cut.wav", "nan.wav"]
    code, out, err = run(*bad, "good.wav", "--classes", "Speech", "--json")
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == len(bad)
    for name, line in zip(bad, lines, strict=True):
        assert line.startswith(f"error: {name}: ")
    results = json.loads(out)["recordings"]
    assert [Path(result["input"]).name for result in results] == [*bad, "good.wav"]
    assert ["error" in result for result in results] == [True] * len(bad) + [False]
    assert files_in(tmp_path / "separated") == [
        "good/Speech.flac",
        "good/separation.json",
        "manifest.jsonl",
    ]


def test_recordings_of_the_same_name_do_not_meet(run: Run, tmp_path: Path) -> None:
    for name, samples in (("a", 1000), ("b", 2000)):
        write_noise(tmp_path / name / "song.wav", samples)
    for _ in range(2):
        assert run("a/song.wav", "b/song.wav", "--classes", "Speech")[0] == 0
    assert run("b/song.wav", "--classes", "Speech")[0] == 0
    frames = {
        path.parent.name: soundfile.info(path).frames for path in tmp_path.rglob("Speech.flac")
    }
    assert frames == {"song": 1000, "song (2)": 2000}


def test_silence_one_sample_and_other_formats(run: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.flac", np.zeros((30000, 2)), 48000)
    soundfile.write(tmp_path / "one.wav", [0.5], 8000)
    write_noise(tmp_path / "lossy.ogg")
    write_noise(tmp_path / "lossy.mp3")
    names = ("silence.flac", "one.wav", "lossy.ogg", "lossy.mp3")
    code, out, _ = run(*names, "--classes", "Speech", "--json", "--segment-seconds", "1")
    assert code == 0
    written = {}
    for result in json.loads(out)["recordings"]:
        audio, rate = soundfile.read(Path(result["folder"], "Speech.flac"), always_2d=True)
        written[Path(result["input"]).name] = (rate, *audio.shape)
    assert written == {
        "silence.flac": (48000, 30000, 2),
        "one.wav": (8000, 1, 1),
        "lossy.ogg": (44100, 20000, 2),
        "lossy.mp3": (44100, 20000, 2),
    }
    assert not soundfile.read(tmp_path / "separated" / "silence" / "Speech.flac")[0].any()


def test_what_is_clipped_is_said(run: Run, tmp_path: Path) -> None:
    loud = np.sign(np.random.default_rng(0).uniform(-1, 1, 20000))
    soundfile.write(tmp_path / "loud.wav", loud, 16000)
    soundfile.write(tmp_path / "float.wav", loud, 16000, subtype="FLOAT")
    integers = {"clip": "clipped", "scale": "multiplied", "float": "keeps"}
    floating_point = {"clip": "keeps", "scale": "multiplied", "float": "keeps"}
    for name, expected in (("loud.wav", integers), ("float.wav", floating_point)):
        for peak, said in expected.items():
            code, _, err = run(name, "--classes", "0,1", "--residual", "--peak", peak)
            assert code == 0
            assert err.startswith("warning: ")
            assert all(said in line for line in err.splitlines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--classes", "Spech"), "Speech"),
        (("--classes", "Speech", "--query", "song.wav"), "give one of them"),
        (("--together",), "--classes"),
        (("--query", "song.wav", "--threshold", "0.5"), "--threshold"),
        (("--query", "none.wav"), "none.wav"),
        (("--segment-seconds", "1", "--overlap-seconds", "0.6"), "overlap of 0.6 s"),
        (("--segment-seconds", "0", "--overlap-seconds", "0"), "--segment-seconds"),
        (("--segment-seconds", "nan"), "--segment-seconds"),
        (("--segment-seconds", "1e9"), "at most 3600"),
        (("--threshold", "nan"), "--threshold"),
        (("--levels", "1", "--min-seconds", "inf"), "--min-seconds"),
        (("--levels", "1", "--channels", "independent"), "--channels"),
        (("--classes", "0,1", "--output-dir", "-"), "one part"),
        (("--classes", "0", "--residual", "--output-dir", "-"), "one part"),
        (("--classes", "0", "--peak", "scale", "--output-dir", "-"), "--peak float"),
        (("--classes", "0", "--format", "flac", "--output-dir", "-"), "--format"),
        (("--classes", "0", "--json", "--output-dir", "-"), "--json"),
        (("-", "--classes", "0", "--jobs", "2"), "--jobs"),
        (("-", "--levels", "1"), "--levels"),
        (("--device", "abacus"), "abacus"),
        (("--model", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_get_one_line(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    write_noise(tmp_path / "song.wav")
    code, out, err = run("song.wav", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert files_in(tmp_path) == ["song.wav"]


def test_an_output_folder_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "song.wav")
    (tmp_path / "file").touch()
    code, _, err = run("song.wav", "--classes", "0", "--output-dir", "file")
    assert code == 2
    assert "--output-dir" in err
    assert files_in(tmp_path) == ["file", "song.wav"]


def test_as_installed(
    run_cli: Callable[..., subprocess.CompletedProcess[str]], tiny_model_dir: Path, tmp_path: Path
) -> None:
    song = write_noise(tmp_path / "song.wav", 2000)
    done = run_cli(
        *("separate", song, "--model", tiny_model_dir, "--classes", "Speech", "--json"),
        *("--output-dir", tmp_path / "out"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["recordings"][0]["samples"] == 2000
    assert files_in(tmp_path / "out") == [
        "manifest.jsonl",
        "song/Speech.flac",
        "song/separation.json",
    ]
