"""Title, artist and the like go with the sound where the format has room for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from uss_plugins.audio.files import AudioReader
from uss_plugins.audio.formats import Encoding
from uss_plugins.audio.writing import AudioWriter

TAGS = {
    "title": "Straße am Morgen",
    "artist": "A. Nonymous",
    "album": "Field recordings",
    "date": "2019-05-04",
    "comment": "windy",
    "genre": "Field",
    "tracknumber": "7",
    "copyright": "nobody",
}


def tagged(path: Path, format_: str, subtype: str) -> Path:
    with soundfile.SoundFile(path, "w", 8000, 1, subtype, format=format_) as file:
        for name, text in TAGS.items():
            setattr(file, name, text)
        file.write(np.zeros(100))
    return path


@pytest.mark.parametrize(
    ("format_", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("RF64", "PCM_24"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
    ],
)
@pytest.mark.parametrize("draft", [False, True])
def test_tags_are_read_and_written_again(
    tmp_path: Path, format_: str, subtype: str, draft: bool
) -> None:
    encoding = Encoding(format_, subtype, "")
    with AudioReader(tagged(tmp_path / "in", format_, subtype)) as reader:
        assert reader.tags == TAGS
        out = AudioWriter(tmp_path / "out", 8000, 1, encoding, draft=draft, tags=reader.tags)
        with out:
            for block in reader.blocks():
                out.write(block)
    with AudioReader(tmp_path / "out") as reader:
        assert reader.tags == TAGS


def test_a_format_without_text_is_written_without(tmp_path: Path) -> None:
    encoding = Encoding("AU", "PCM_16", "")
    with AudioWriter(tmp_path / "out", 8000, 1, encoding, tags=TAGS) as out:
        out.write(np.zeros((1, 100)))
    with AudioReader(tmp_path / "out") as reader:
        assert reader.tags == {}
        assert reader.samples == 100
