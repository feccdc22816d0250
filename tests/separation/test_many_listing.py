"""Files, folders and lists become the same tasks for whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import write_noise

from registry.errors import UserError
from uss_plugins.separation.many.listing import list_tasks


def listed(given: list[Path], out: Path) -> dict[str, str]:
    return {
        str(task.path): task.folder.relative_to(out).as_posix() for task in list_tasks(given, out)
    }


def test_a_folder_gives_its_recordings_in_folders_like_its_own(tmp_path: Path) -> None:
    corpus, out = tmp_path / "corpus", tmp_path / "corpus" / "out"
    for name in ("b.wav", "a.FLAC", "sub/a.wav", "sub/deeper/c.mp3", "sub/a.ogg"):
        write_noise(corpus / name, 10)
    for name in ("notes.txt", "cover.jpg", ".hidden.wav", ".trash/a.wav", "out/x/Speech.wav"):
        write_noise(corpus / name, 10)
    (out / "x" / "level=1").mkdir()
    write_noise(out / "x" / "level=1" / "Music.wav", 10)
    (out / "x" / "separation.json").write_text("{}")
    assert listed([corpus], out) == {
        f"{corpus}/a.FLAC": "a",
        f"{corpus}/b.wav": "b",
        f"{corpus}/sub/a.ogg": "sub/a",
        f"{corpus}/sub/a.wav": "sub/a (2)",
        f"{corpus}/sub/deeper/c.mp3": "sub/deeper/c",
    }


def test_a_list_names_recordings_relative_to_itself(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    path = tmp_path / "lists" / "all.m3u"
    path.write_text("#EXTM3U\n../a.wav\n\n  b c.wav \n/somewhere/d.wav\n../a.wav\n")
    out = tmp_path / "out"
    assert listed([path], out) == {
        f"{tmp_path}/lists/../a.wav": "a",
        f"{tmp_path}/lists/b c.wav": "b c",
        "/somewhere/d.wav": "d",
    }


def test_a_recording_counts_once_and_the_others_keep_their_places(tmp_path: Path) -> None:
    for name in ("a/x.wav", "b/x.wav"):
        write_noise(tmp_path / name, 10)
    given = [tmp_path / "a" / "x.wav", tmp_path / "a", tmp_path / "b" / ".." / "b" / "x.wav"]
    tasks = list_tasks(given, tmp_path / "out")
    assert [(task.index, task.folder.name) for task in tasks] == [(0, "x"), (1, "x (2)")]


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "names no recording"), (b"\xff\xfe\x00", "cannot be read")]
)
def test_a_list_that_is_none(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "all.txt").write_bytes(content)
    with pytest.raises(UserError, match=said):
        list_tasks([tmp_path / "all.txt"], tmp_path / "out")
