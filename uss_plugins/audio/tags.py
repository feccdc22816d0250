"""Title, artist and the like: the text that sound files carry besides sound."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import soundfile


def read_tags(file: soundfile.SoundFile) -> dict[str, str]:
    """What an open file says of itself, by libsndfile's names: title, artist, album, date, comment, ..."""
    return {name: str(text) for name, text in file.copy_metadata().items()}


def write_tags(file: soundfile.SoundFile, tags: Mapping[str, str]) -> None:
    """Give a file that is being written the tags that its format has room for. Before any samples."""
    for name, text in tags.items():
        with suppress(soundfile.LibsndfileError):  # some formats have no text, some not all of it
            setattr(file, name, text)
