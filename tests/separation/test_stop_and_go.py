"""Real processes that are stopped, killed or left without disk space: what is there is whole, and goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from recordings import CLASSES, entries_of, files_in, report_of, write_noise

from uss_plugins.audio.errors import AudioFileError
from uss_plugins.cli import main
from uss_plugins.separation import report

SCRIPT = Path(sys.executable).with_name("uss-plugins")


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.fixture
def arguments(tiny_model_dir: Path, tmp_path: Path) -> list[str]:
    """Separates `short.wav`, then `long.wav`, into `out`."""
    write_noise(tmp_path / "short.wav", 3000)
    write_noise(tmp_path / "long.wav", 80_000)
    names = (tmp_path / "short.wav", tmp_path / "long.wav")
    options = ("--model", tiny_model_dir, *CLASSES, "--output-dir", tmp_path / "out")
    return ["separate", *map(str, (*names, *options))]


def run_again(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    captured = capsys.readouterr()
    assert (exited.value.code, captured.err) == (0, "")
    return captured.out


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_process_that_is_stopped_leaves_whole_files_and_another_goes_on(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    exit_code: int,
) -> None:
    out = tmp_path / "out"
    content = (tmp_path / "long.wav").read_bytes()
    # The second recording is a pipe that stops in the middle, so that the process is there for sure.
    (tmp_path / "long.wav").unlink()
    os.mkfifo(tmp_path / "long.wav")
    process = subprocess.Popen(
        [SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with (tmp_path / "long.wav").open("wb", buffering=0) as pipe:
        pipe.write(content[:60_000])
        wait_for(lambda: any((out / "long").glob(".Speech.flac.*.part")), process)
        process.send_signal(number)
        said, errors = process.communicate(timeout=60)  # while whoever writes into the pipe stays
    assert process.returncode == exit_code
    assert "Speech.flac" in said
    assert errors.strip() == ("interrupted" if number == signal.SIGINT else "")

    if number != signal.SIGKILL:
        assert files_in(out) == ["short/Speech.flac"]
        assert not (out / "long").exists()
    visible = [file for file in files_in(out) if not Path(file).name.startswith(".")]
    assert visible == ["short/Speech.flac"]
    assert soundfile.info(out / "short" / "Speech.flac").frames == 3000
    assert [Path(one["input"]).name for one in entries_of(out / "manifest.jsonl")] == ["short.wav"]

    (tmp_path / "long.wav").unlink()
    (tmp_path / "long.wav").write_bytes(content)
    written = (out / "short" / "Speech.flac").stat().st_mtime_ns
    said = run_again(arguments, capsys)
    assert f"{tmp_path / 'short.wav'}: done already" in said
    assert (out / "short" / "Speech.flac").stat().st_mtime_ns == written
    assert files_in(out) == ["long/Speech.flac", "short/Speech.flac"]
    assert soundfile.info(out / "long" / "Speech.flac").frames == 80_000
    entries = entries_of(out / "manifest.jsonl")
    assert [(Path(one["input"]).name, one["error"]) for one in entries] == [
        ("short.wav", None),
        ("long.wav", None),
    ]


def test_a_pipe_into_which_nothing_comes_does_not_keep_a_process(
    arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "short.wav").unlink()
    os.mkfifo(tmp_path / "short.wav")
    process = subprocess.Popen([SCRIPT, *arguments], stderr=subprocess.PIPE, text=True)
    with (tmp_path / "short.wav").open("wb"):
        wait_for((tmp_path / "out" / "short" / "separation.json").exists, process)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60) == (None, "")
    assert process.returncode == 143


def test_a_full_disk_costs_what_does_not_fit_and_a_line(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    limited = f"ulimit -f 40; exec {SCRIPT} " + " ".join(arguments)  # KiB of any file
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {out / 'long' / 'Speech.flac'}: writing broke off")
    assert files_in(out) == ["short/Speech.flac"]
    assert soundfile.info(out / "short" / "Speech.flac").frames == 3000
    assert [bool(one["error"]) for one in entries_of(out / "manifest.jsonl")] == [False, True]
    run_again(arguments, capsys)
    assert soundfile.info(out / "long" / "Speech.flac").frames == 80_000
    assert [one["error"] for one in entries_of(out / "manifest.jsonl")] == [None, None]


def test_what_is_done_already_is_done_again_only_where_something_changed(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short, made = tmp_path / "short.wav", tmp_path / "out" / "short" / "Speech.flac"
    del arguments[2]  # the long one
    run_again(arguments, capsys)

    def done_again(*more: str) -> bool:
        before = made.stat().st_ino if made.exists() else None
        said = run_again([*arguments, *more], capsys)
        assert ("done already" in said) == (made.stat().st_ino == before)
        assert report_of(made.parent)["finished"] is True
        return made.stat().st_ino != before

    assert not done_again()
    assert not done_again("--device", "cpu", "--batch-size", "2", "--jobs", "2")
    os.utime(short)
    assert not done_again()
    write_noise(short, 3000, seed=10)
    assert done_again()
    assert not done_again()
    assert done_again("--pad-last", "--format", "flac")
    assert done_again()
    made.unlink()
    assert done_again()
    assert done_again("--overwrite")
    assert not done_again()


@pytest.mark.parametrize(
    ("given", "default", "another", "option"),
    [
        (CLASSES[:2], "recording.Settings.segment_seconds", 0.5, "--segment-seconds"),
        (CLASSES[:2], "recording.LONGEST_FADE_SECONDS", 0.1, "--overlap-seconds"),
        (("--levels", "1"), "hierarchy.walk.SEGMENT_SECONDS", 0.5, "--segment-seconds"),
        (("--levels", "1"), "queries.DETECTION_THRESHOLD", 0.0, "--threshold"),
        ((), "queries.DETECTION_THRESHOLD", 0.0, "--threshold"),
    ],
    ids=["segments", "overlap", "segments of nodes", "threshold of nodes", "threshold"],
)
def test_another_default_is_a_reason_to_do_it_again(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: tuple[str, ...],
    default: str,
    another: float,
    option: str,
) -> None:
    del arguments[2]
    first = arguments.index(CLASSES[0])
    arguments[first : first + len(CLASSES)] = given
    run_again(arguments, capsys)
    assert "done already" in run_again(arguments, capsys)
    monkeypatch.setattr(f"uss_plugins.separation.{default}", another)
    assert "done already" not in run_again(arguments, capsys)
    assert "done already" in run_again([*arguments, option, str(another)], capsys)


def test_the_precision_that_is_chosen_counts(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del arguments[2]
    run_again([*arguments, "--precision", "fp32"], capsys)
    for native, done in ((False, True), (True, False)):
        monkeypatch.setattr(
            "uss_plugins.separation.precision.has_native_bf16", lambda _, native=native: native
        )
        assert ("done already" in run_again(arguments, capsys)) == done


def test_only_another_model_is_a_reason_to_do_it_again(
    arguments: list[str], tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(tiny_model_dir, tmp_path / "model")
    del arguments[2]
    arguments[arguments.index(str(tiny_model_dir))] = str(model)
    arguments[-1] = str(model / "separated")
    assert "done already" not in run_again(arguments, capsys)
    write_noise(model / "evaluation" / "report.html", 10)
    assert "done already" in run_again(arguments, capsys)
    with (model / "recipe.yaml").open("a") as recipe:
        recipe.write("# another\n")
    assert "done already" not in run_again(arguments, capsys)


def test_what_could_not_be_reported_is_done_again(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del arguments[2]
    run_again(arguments, capsys)
    made = tmp_path / "out" / "short"
    before = (made / "Speech.flac").read_bytes()

    def no_space(*_: object) -> None:
        raise AudioFileError("no space left for the report")

    monkeypatch.setattr(report, "write_report", no_space)
    with pytest.raises(SystemExit) as exited:
        main([*arguments, "--pad-last"])
    monkeypatch.undo()
    assert exited.value.code == 2
    assert capsys.readouterr().err == "error: no space left for the report\n"
    assert (made / "Speech.flac").read_bytes() != before
    assert "done already" not in run_again(arguments, capsys)
    assert (made / "Speech.flac").read_bytes() == before


def test_after_a_mistake_an_earlier_result_is_as_it_was(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del arguments[2]
    run_again(arguments, capsys)
    made = tmp_path / "out" / "short"
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    (tmp_path / "short.wav").write_bytes(b"no recording any more")
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before
