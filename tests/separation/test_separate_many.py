"""`uss-plugins separate DIR`: several processes, by --jobs and by torchrun, and what the manifest tells."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from command_line import RunCli
from recordings import CLASSES, entries_of, files_in, write_noise

from uss_plugins.cli import main

SCRIPT = Path(sys.executable).with_name("uss-plugins")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Five recordings, one of them none."""
    folder = tmp_path / "corpus"
    for number, name in enumerate(("a.wav", "b.wav", "sub/a.wav", "sub/c.flac")):
        write_noise(folder / name, 4000 + number, seed=number)
    (folder / "bad.wav").write_text("no recording")
    return folder


def check(out: Path, entries: list[dict[str, Any]], corpus: Path) -> None:
    """All recordings have an entry that is true, and files that are whole."""
    by_name = {Path(one["input"]).relative_to(corpus).as_posix(): one for one in entries}
    assert len(by_name) == len(entries) == 5
    bad = by_name.pop("bad.wav")
    assert "not audio" in bad["error"]
    assert (bad["outputs"], bad["seconds"]) == ([], None)
    for name, entry in by_name.items():
        assert entry["error"] is None
        assert entry["sha256"] == hashlib.sha256((corpus / name).read_bytes()).hexdigest()
        (output,) = entry["outputs"]
        assert output == str(Path(name).with_suffix("") / "Speech.flac")
        assert soundfile.info(out / output).frames == soundfile.info(corpus / name).frames
        assert entry["duration_seconds"] == soundfile.info(corpus / name).frames / 16000
        assert entry["seconds"] > 0
    assert files_in(out) == sorted(one["outputs"][0] for one in by_name.values())


def test_several_jobs(run_cli: RunCli, tiny_model_dir: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--model", tiny_model_dir, *CLASSES, "--output-dir", out)
    done = run_cli("separate", corpus, *options, "--jobs", "2", "--json")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {corpus / 'bad.wav'}: not audio")
    check(out, entries_of(out / "manifest.jsonl"), corpus)
    results = json.loads(done.stdout)["recordings"]
    names = [Path(one["input"]).relative_to(corpus).as_posix() for one in results]
    assert names == ["a.wav", "b.wav", "bad.wav", "sub/a.wav", "sub/c.flac"]
    assert ["error" in one for one in results] == [False, False, True, False, False]


def test_two_processes_that_torchrun_starts_share_the_recordings(
    tiny_model_dir: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ("--model", tiny_model_dir, *CLASSES, "--output-dir", out)
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python")
    command = [str(one) for one in ("separate", corpus, *options)]
    done = subprocess.run(
        [sys.executable, *launch, SCRIPT, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    manifests = [entries_of(out / f"manifest-{rank}-of-2.jsonl") for rank in (0, 1)]
    assert [len(one) for one in manifests] == [3, 2]
    check(out, [entry for one in manifests for entry in one], corpus)

    # One process afterwards has nothing to do but to try again what went wrong, and to list everything.
    with pytest.raises(SystemExit) as exited:
        main(command)
    assert exited.value.code == 2
    assert capsys.readouterr().out.count("done already") == 4
    check(out, entries_of(out / "manifest.jsonl"), corpus)


def test_silence_is_said(tiny_model_dir: Path, tmp_path: Path, capsys: Any) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(4000), 16000)
    write_noise(tmp_path / "noise.wav", 4000)
    names = [str(tmp_path / name) for name in ("silence.wav", "noise.wav")]
    out = tmp_path / "out"
    options = ["--model", str(tiny_model_dir), "--output-dir", str(out), "--threshold", "1"]
    with pytest.raises(SystemExit) as exited:
        main(["separate", *names, *options])
    assert exited.value.code == 0
    silent, unheard = entries_of(out / "manifest.jsonl")
    assert silent["notes"] == ["the recording is silent throughout: no file was written"]
    assert unheard["notes"] == [
        "nothing was heard, so no file was written; lower --threshold, or name --classes"
    ]
    said = capsys.readouterr().out
    assert all(note in said for note in (*silent["notes"], *unheard["notes"]))
    assert files_in(out) == []
