"""A manifest survives whoever writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.errors import UserError
from uss_plugins.launched import Place
from uss_plugins.separation.many.manifest import Manifest, manifest_path, read_manifest


def test_each_process_has_a_manifest_of_its_own(tmp_path: Path) -> None:
    assert manifest_path(tmp_path, Place()) == tmp_path / "manifest.jsonl"
    assert manifest_path(tmp_path, Place(1, 4, 1)) == tmp_path / "manifest-1-of-4.jsonl"


def test_lines_are_there_at_once_and_the_last_of_an_input_counts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "manifest.jsonl"
    with Manifest(path) as manifest:
        manifest.add({"input": "/a", "error": "no such file"})
        manifest.add({"input": "/b — ü", "error": None})
        assert len(path.read_text(encoding="utf-8").splitlines()) == 2
        manifest.add({"input": "/a", "error": None})
        assert len(path.read_text(encoding="utf-8").splitlines()) == 3
    expected = '{"input": "/a", "error": null}\n{"input": "/b — ü", "error": null}\n'
    assert path.read_text(encoding="utf-8") == expected


def test_half_a_line_of_a_killed_process_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text('{"input": "/a", "error": null}\n{"input": "/b", "er')
    with Manifest(path) as manifest:
        manifest.add({"input": "/c", "error": None})
    assert list(read_manifest(path)) == ["/a", "/c"]
    assert len(path.read_text().splitlines()) == 2


def test_an_interruption_leaves_all_lines(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"

    def interrupted() -> None:
        with Manifest(path) as manifest:
            manifest.add({"input": "/a", "error": "bad"})
            manifest.add({"input": "/a", "error": None})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(path.read_text().splitlines()) == 2


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        Manifest(tmp_path / "file" / "manifest.jsonl") as manifest,
        pytest.raises(UserError, match="choose another --output-dir"),
    ):
        manifest.add({"input": "/a"})
