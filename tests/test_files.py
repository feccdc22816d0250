"""Files are whole or not there, and what a killed process leaves is cleared away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from uss_plugins.files import remove_leftovers, write_text, written_aside


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
    gone = {f".last.ckpt.{ended.pid}.part", ".odd.part"}
    kept = {f".last.ckpt.{os.getpid()}.part", "last.ckpt", "notes.part"}
    for name in gone | kept:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept
    remove_leftovers(tmp_path / "not there")
