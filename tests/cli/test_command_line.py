"""The command line as a whole: what it prints and exits with when something goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from command_line import RunCli
from distributions import Distribution, install

import uss_plugins
from uss_plugins.cli import VERBS, main
from uss_plugins.cli.doctor import doctor


def test_help_lists_every_verb_and_loads_nothing_heavy(run_cli: RunCli) -> None:
    done = run_cli("--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0
    assert all(
        f"  {name} " in done.stdout and verb.summary in done.stdout for name, verb in VERBS.items()
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert imported.isdisjoint(
        {"torch", "numpy", "rich", "pydantic", "asteroid", "uss_plugins.builtin"}
    )


def test_no_arguments_give_the_help(run_cli: RunCli) -> None:
    assert run_cli().stdout == run_cli("--help").stdout


def test_the_version_is_that_of_the_distribution(run_cli: RunCli) -> None:
    assert run_cli("--version").stdout == f"uss-plugins {version('uss-plugins')}\n"
    assert uss_plugins.__version__ == version("uss-plugins")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shw"], "error: no verb is called 'shw'; did you mean show? (see uss-plugins --help)"),
        (["show", "separator"], "error: Missing argument 'NAME'. (see uss-plugins show --help)"),
        (["--loud"], "error: No such option '--loud'. (see uss-plugins --help)"),
        (
            ["show", "embedding", "lattent"],
            "error: no embedding 'lattent' is registered; did you mean latent?",
        ),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    run_cli: RunCli, arguments: list[str], message: str
) -> None:
    done = run_cli(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.replace("option: --loud", "option '--loud'") == f"{message}\n"


@pytest.mark.parametrize(
    "arguments",
    [["--debug", "show", "embedding", "none"], ["show", "embedding", "none", "--debug"]],
)
def test_debug_before_or_after_the_verb_gives_the_traceback(
    run_cli: RunCli, arguments: list[str]
) -> None:
    done = run_cli(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert "UnknownComponentError: no embedding 'none' is registered" in done.stderr


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], debug: bool
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("no\nway")

    monkeypatch.setattr(doctor, "callback", fail)
    with pytest.raises(SystemExit) as exit_:
        main(["doctor", "--debug"] if debug else ["doctor"])
    assert exit_.value.code == 1
    printed = capsys.readouterr().err
    if debug:
        assert printed.startswith("Traceback")
        assert printed.endswith("ZeroDivisionError: no\nway\n")
    else:
        assert printed == (
            "internal error: ZeroDivisionError: no way (run again with --debug for the traceback)\n"
        )


def test_a_path_that_cannot_be_used_is_the_users_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(doctor, "callback", (tmp_path / "file" / "folder").mkdir)
    with pytest.raises(SystemExit) as exit_:
        main(["doctor"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/file/folder: Not a directory; check the path, its rights and its disk\n"
    )


@pytest.mark.parametrize(("exit_with", "code"), [(None, 0), (3, 3)])
def test_a_verb_chooses_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, exit_with: int | None, code: int
) -> None:
    def leave() -> None:
        if exit_with is not None:
            click.get_current_context().exit(exit_with)

    monkeypatch.setattr(doctor, "callback", leave)
    with pytest.raises(SystemExit) as exit_:
        main(["doctor"])
    assert exit_.value.code == code


def test_an_interrupt_is_one_line_and_exit_code_130(run_cli: RunCli, tmp_path: Path) -> None:
    # A plug-in that is interrupted while it loads stands for any long work.
    modules = {"interrupted.py": "raise KeyboardInterrupt\n"}
    site = install(tmp_path / "i", Distribution("interrupted", "1", modules, {"i": "interrupted"}))
    done = run_cli("list", env={"PYTHONPATH": str(site)})
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "interrupted")


def test_a_reader_that_has_left_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    script = Path(sys.executable).with_name("uss-plugins")
    done = subprocess.run([script, "list"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.stderr == b""
