"""Names of files and folders: safe, distinct, and stable between runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from uss_plugins.separation.names import free_name, output_folder, safe_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Speech", "Speech"),
        ("Male speech, man speaking", "Male speech, man speaking"),
        ("Fly, housefly", "Fly, housefly"),
        ("Rock/pop", "Rock_pop"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a\0b\nc\td", "a_b_c_d"),
        ('a<b>c:d"e|f?g*h\\i', "a_b_c_d_e_f_g_h_i"),
        (".hidden. ", "hidden"),
        ("", "_"),
        ("...", "_"),
        ("con", "con_"),
        ("NUL.txt", "NUL.txt_"),
        ("Caf\u0065\u0301", "Caf\u00e9"),
        ("\u732b", "\u732b"),
    ],
)
def test_safe_names(name: str, expected: str) -> None:
    assert safe_name(name) == expected


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u732b"])
def test_long_names_fit_a_file_system(letter: str) -> None:
    name = safe_name(letter * 300)
    assert 100 < len(name.encode()) <= 120
    assert set(name) == {letter}


def test_names_that_differ_only_in_case_get_numbers() -> None:
    assert free_name("a", set()) == "a"
    assert free_name("A", {"a"}) == "A (2)"
    assert free_name("a", {"a", "a (2)"}) == "a (3)"


def test_recordings_of_equal_names_get_folders_of_their_own(tmp_path: Path) -> None:
    taken: set[str] = set()
    folders = [
        output_folder(tmp_path, Path(name), taken).name
        for name in ("a/song.wav", "b/song.flac", "c/SONG.wav", "other.wav")
    ]
    assert folders == ["song", "song (2)", "SONG (3)", "other"]


def test_a_later_run_finds_its_folder_again_and_leaves_others_alone(tmp_path: Path) -> None:
    folder = output_folder(tmp_path, Path("a/song.wav"), set())
    folder.mkdir()
    report = {"input": str(Path("a/song.wav").resolve())}
    (folder / "separation.json").write_text(json.dumps(report))
    assert output_folder(tmp_path, Path("a/song.wav"), set()) == folder
    assert output_folder(tmp_path, Path("b/song.wav"), set()).name == "song (2)"


def test_a_folder_that_another_process_takes_away_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "song").mkdir()
    (tmp_path / "song" / "separation.json").write_text("{}")
    read_text = Path.read_text

    def too_late(path: Path, encoding: str) -> str:
        shutil.rmtree(tmp_path / "song")
        return read_text(path, encoding)

    monkeypatch.setattr(Path, "read_text", too_late)
    assert output_folder(tmp_path, Path("song.wav"), set()).name == "song"


@pytest.mark.parametrize("content", ["notes", "[]", '{"input": 3}'])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "song").mkdir()
    (tmp_path / "song" / "separation.json").write_text(content)
    (tmp_path / "song (2)").touch()
    (tmp_path / "song (3)").mkdir()
    (tmp_path / "song (3)" / "mine.wav").touch()
    (tmp_path / "song (4)").mkdir()
    (tmp_path / "song (4)" / ".Dog.flac.77.part").touch()
    assert output_folder(tmp_path, Path("song.wav"), set()).name == "song (4)"
