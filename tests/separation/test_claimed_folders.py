"""A folder belongs to one recording while its parts are made, beside others at work on other machines."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from uss_plugins.files import write_text
from uss_plugins.separation.many.done import claimed
from uss_plugins.separation.names import input_name, output_folder

SONG = Path("song.wav")
HERE = socket.gethostname().partition(".")[0]


def unfinished(folder: Path, machine: str, process: int) -> Path:
    """What that process has begun to write."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".Speech.flac.{machine}.{process}.part"
    path.touch()
    return path


@pytest.fixture
def ended() -> int:
    """A process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def claim(folder: Path) -> None:
    with claimed(folder, SONG):
        pass


def test_another_recordings_unfinished_files_are_left_alone(tmp_path: Path, ended: int) -> None:
    song = tmp_path / "song"  # song.wav, and a folder song with vocals.wav and, in drums, bass.wav
    own = unfinished(song / "level 1", HERE, ended)
    others = [
        unfinished(song / folder, machine, ended)
        for folder in ("vocals", "drums/bass", "vocals/parts")
        for machine in (HERE, "elsewhere")
    ]
    (song / "vocals" / "separation.json").write_text("{}")
    (song / "drums" / "bass" / f".separation.json.elsewhere.{ended}.part").touch()
    claim(song)
    assert not own.exists()
    assert all(one.exists() for one in others)


def test_another_machines_unfinished_files_go_with_its_claim(tmp_path: Path) -> None:
    song = tmp_path / "song"
    part = unfinished(song, "elsewhere", 77)
    claim(song)
    assert part.exists()
    assert output_folder(tmp_path, SONG, set()) == song
    claim(song)  # as the report says now, what is unfinished here is of this recording
    assert not part.exists()


def fail_in(folder: Path, *written: str) -> None:
    """Write files anew, and then break off."""

    def write_and_fail() -> None:
        with claimed(folder, SONG):
            for name in written:
                write_text(folder / name, "new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()


def report(folder: Path) -> dict[str, object]:
    found = json.loads((folder / "separation.json").read_text())
    assert isinstance(found, dict)
    return found


def test_an_earlier_report_comes_back_only_beside_its_own_files(tmp_path: Path) -> None:
    folder = tmp_path / "song"
    for name in ("Speech.flac", "level 1/Dog.flac"):
        write_text(folder / name, "old")
    finished = {"input": input_name(SONG), "finished": True}
    write_text(folder / "separation.json", json.dumps(finished))
    fail_in(folder)
    assert report(folder) == finished
    fail_in(folder, "level 1/Dog.flac")
    assert report(folder) == {**finished, "finished": False}


def test_a_folder_with_new_files_stays_its_recordings(tmp_path: Path) -> None:
    folder = tmp_path / "song"
    fail_in(folder)
    assert not folder.exists()
    fail_in(folder, "Speech.flac")
    assert report(folder)["finished"] is False
    assert output_folder(tmp_path, SONG, set()) == folder
