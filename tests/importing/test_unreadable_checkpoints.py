"""Files that are no checkpoints, or would run code: one line, exit code 2, nothing run, nothing written."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import RunCli

from registry.errors import UserError
from uss_plugins.weights.reading import read_checkpoint


class MakesFile:
    """A pickle of it, read without care, makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (self.path,)


def weights() -> dict[str, torch.Tensor]:
    return {"fc_audioset.weight": torch.ones(100, 100)}


def write_malicious(path: Path, mark: Path, layout: str) -> None:
    """A checkpoint that makes `mark` when it is read without care."""
    content = {"model": weights(), "hook": MakesFile(mark)}
    if layout == "plain":
        path.write_bytes(pickle.dumps(content["hook"], protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=layout == "zip")


@pytest.mark.parametrize("layout", ["zip", "before torch 1.6", "plain"])
def test_a_pickle_that_wants_to_run_code_does_not(
    layout: str, tmp_path: Path, run_cli: RunCli
) -> None:
    file, mark = tmp_path / "evil.ckpt", tmp_path / "it_ran"
    write_malicious(file, mark, layout)
    # The payload works: read without care it does make the file.
    torch.load(file, weights_only=False) if layout != "plain" else pickle.loads(file.read_bytes())
    assert mark.exists()
    mark.unlink()
    run = run_cli("import", file, "--output", tmp_path / "model")
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert f"error: {file}: refused, its pickle asks for" in run.stderr
    assert "nothing of it was run" in run.stderr
    assert list(tmp_path.iterdir()) == [file]


def truncated(path: Path) -> None:
    torch.save({"model": weights()}, path)
    path.write_bytes(path.read_bytes()[:20000])


def truncated_legacy(path: Path) -> None:
    torch.save({"model": weights()}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:20000])


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (truncated, "truncated, or not a checkpoint"),
    "truncated, before torch 1.6": (truncated_legacy, "truncated, or not a checkpoint"),
    "empty": (lambda path: path.touch(), "truncated, or not a checkpoint"),
    "text": (lambda path: path.write_text("hello\n" * 9), "truncated, or not a checkpoint"),
    "noise": (lambda path: path.write_bytes(bytes(range(256))), "truncated, or not a checkpoint"),
    "another zip": (other_zip, "truncated, or not a checkpoint"),
    "a list": (lambda path: torch.save([1, 2], path), "it holds a list"),
    "a tensor": (lambda path: torch.save(torch.ones(3), path), "it holds a Tensor"),
    "no weights": (lambda path: torch.save({"model": {}}, path), "it holds no weights"),
    "no names": (lambda path: torch.save({5: torch.ones(2)}, path), "'5' is no dense tensor"),
    "a folder": (lambda path: path.mkdir(), "no such file"),
    "nothing": (lambda path: None, "no such file"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_checkpoint(name: str, tmp_path: Path) -> None:
    make, says = UNREADABLE[name]
    file = tmp_path / "file.ckpt"
    make(file)
    with pytest.raises(UserError, match=says) as caught:
        read_checkpoint(file)
    assert "\n" not in str(caught.value)


def test_the_command_line_says_it_in_one_line(tmp_path: Path, run_cli: RunCli) -> None:
    truncated(tmp_path / "file.ckpt")
    run = run_cli("import", tmp_path / "file.ckpt", "--output", tmp_path / "model")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert not (tmp_path / "model").exists()
