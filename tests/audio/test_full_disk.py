"""A disk that fills up at any byte: one line, and no file but whole ones, whatever the format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from uss_plugins.audio.formats import Encoding
from uss_plugins.audio.writing import AudioWriter

PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np
from uss_plugins.audio.files import AudioFileError
from uss_plugins.audio.formats import Encoding
from uss_plugins.audio.writing import AudioWriter
folder, format_, subtype, whole = sys.argv[1:]
noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 50_000))
for missing in (1, 500, 5_000, int(whole) // 2, int(whole) - 1):
    limit = int(whole) - missing
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        with AudioWriter(Path(folder, "a"), 44100, 2, Encoding(format_, subtype, "")) as writer:
            for block in np.split(noise, 50, axis=1):
                writer.write(block)
    except AudioFileError as error:
        print(error)
    else:
        print("written")
"""


@pytest.mark.parametrize(
    ("format_", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("FLAC", "PCM_24"),
        ("OGG", "VORBIS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, format_: str, subtype: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 50_000))
    with AudioWriter(tmp_path / "whole", 44100, 2, Encoding(format_, subtype, "")) as writer:
        for block in np.split(noise, 50, axis=1):
            writer.write(block)
    whole = (tmp_path / "whole").stat().st_size
    arguments = (str(tmp_path), format_, subtype, str(whole))
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()
    assert len(lines) == 5
    for line in lines:
        assert line.startswith(f"{tmp_path / 'a'}: ")
        assert "File too large" in line or "System error" in line or "not all of it" in line
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert run.stderr == ""
