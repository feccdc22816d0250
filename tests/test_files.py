"""Files are whole or not there, and what a killed process leaves is cleared away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from uss_plugins.files import aside_of, remove_leftovers, write_text, written_aside


def test_a_file_that_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_text(path, "old")

    def fail() -> None:
        with written_aside(path) as aside:
            aside.write_text("half", encoding="utf-8")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]
    assert path.read_text(encoding="utf-8") == "old"


def test_leftovers_of_ended_processes_go_and_those_at_work_keep_theirs(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = aside_of(tmp_path / "last.ckpt").name
    gone = mine.replace(f".{os.getpid()}.", f".{ended.pid}.")
    others = mine.replace(f".{socket.gethostname().partition('.')[0]}.", ".elsewhere.")
    assert len({mine, gone, others}) == 3
    kept = {mine, "last.ckpt", "notes.part"}
    for name in {gone, others} | kept:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {others} | kept
    remove_leftovers(tmp_path, of_all_machines=True)
    assert {path.name for path in tmp_path.iterdir()} == kept
    remove_leftovers(tmp_path / "not there")
