"""`uss-plugins separate -`: real pipes into and out of the installed command."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recordings import files_in, write_noise

SCRIPT = Path(sys.executable).with_name("uss-plugins")


@pytest.fixture
def command(tiny_model_dir: Path) -> list[str]:
    options = ("--model", tiny_model_dir, "--classes", "Speech", "--segment-seconds", "0.5")
    return [str(SCRIPT), "separate", *map(str, options)]


def test_from_a_pipe_into_a_pipe(command: list[str], tmp_path: Path) -> None:
    song = write_noise(tmp_path / "song.wav", 30_001)
    content = song.read_bytes()
    at = content.index(b"data") + 4
    endless = content[:at] + struct.pack("<I", 0xFFFFFFFF) + content[at + 4 :]
    piped = subprocess.run([*command, "-"], input=endless, capture_output=True, check=True)
    assert piped.stderr == b""
    with song.open("rb") as file:
        redirected = subprocess.run(
            [*command, "-", "--output-dir", tmp_path / "out"],
            stdin=file,
            capture_output=True,
            check=True,
        )
    assert files_in(tmp_path / "out") == ["standard input/Speech.flac"]
    assert redirected.stdout.startswith(b"- -> ")
    expected, rate = soundfile.read(tmp_path / "out" / "standard input" / "Speech.flac")
    assert expected.any()
    header = piped.stdout[:44]
    assert (header[:4], header[40:44]) == (b"RIFF", b"\xff\xff\xff\xff")
    samples = np.frombuffer(piped.stdout[44:], "<i2") / 2**15
    assert rate == 16000
    np.testing.assert_array_equal(samples, expected)


def test_from_a_file_into_a_pipe(command: list[str], tmp_path: Path) -> None:
    song = write_noise(tmp_path / "song.wav", 5000)
    done = subprocess.run(
        [*command, song, "--output-dir", "-"], capture_output=True, check=True, cwd=tmp_path
    )
    audio, rate = soundfile.read(io.BytesIO(done.stdout))
    assert (audio.shape, rate) == ((5000,), 16000)
    assert files_in(tmp_path) == ["song.wav"]


@pytest.mark.parametrize("tag", [b"Xing", bytes(4)])
def test_an_mp3_with_a_tag_of_its_length_and_without(
    command: list[str], tmp_path: Path, tag: bytes
) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 16000)
    song = tmp_path / "song.mp3"
    soundfile.write(song, np.concatenate([noise, np.zeros(32000)]), 16000)
    song.write_bytes(song.read_bytes().replace(b"Xing", tag, 1))
    with song.open("rb") as file:
        runs = [
            subprocess.run(
                [*command, *arguments, "--output-dir", "-", "--segment-seconds", "2"],
                stdin=file,
                capture_output=True,
                check=True,
            )
            for arguments in ([song], ["-"])
        ]
    for run in runs:
        assert run.stdout == runs[0].stdout
        told_bytes = struct.unpack("<I", run.stdout[40:44])[0]
        assert told_bytes == len(run.stdout) - 44 >= 3 * 48000


@pytest.mark.parametrize(
    ("sink", "exit_code", "said"),
    [
        ("> /dev/full", 2, "error: standard output: writing broke off (No space left on device)"),
        ("| head -c 10 > /dev/null", 1, ""),
    ],
)
def test_a_pipe_that_takes_no_more(
    command: list[str], tmp_path: Path, sink: str, exit_code: int, said: str
) -> None:
    song = write_noise(tmp_path / "song.wav", 100_000)
    line = f"set -o pipefail; {' '.join(command)} {song} --output-dir - {sink}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == exit_code
    assert len(done.stderr.splitlines()) == bool(said)
    assert done.stderr.startswith(said)
