"""The sounds and pictures of the report's page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from uss_plugins.reporting.figures import bitmap
from uss_plugins.reporting.sounds import file_levels, mp3_uri

LARGEST_SOUNDS = 40_000_000
"""Characters: players beyond that use the files beside the page, and the page says so."""
MP3_CHARACTERS_PER_SECOND = 24_000


class Media:
    """Players and spectrograms, all at one level: what is loud on the page is loud in the recording."""

    def __init__(self, tree: Mapping[str, Any], folder: Path) -> None:
        self._left = LARGEST_SOUNDS
        self._needed = int(tree["duration_seconds"] * MP3_CHARACTERS_PER_SECOND)
        self.linked = 0
        self._mixture = Path(tree["input"])
        self._mixture_levels = file_levels(self._mixture)
        self.loudest = float(self._mixture_levels.max())
        shares = sorted(
            (one for one in [*tree["nodes"], *tree["residuals"].values()] if one["file"]),
            key=lambda one: (one.get("level", 99), -one["energy_share"]),
        )
        # The recording first, then level by level, the loudest first: the least is what the limit leaves out.
        self._sources: dict[Path, str] = {}
        self._embed(self._mixture)
        for one in shares:
            self._embed(folder / one["file"])

    def _embed(self, path: Path) -> None:
        if self._needed > self._left:
            self.linked += path != self._mixture
            return
        self._sources[path] = mp3_uri(path, 1.0)
        self._left -= len(self._sources[path])

    def player(self, path: Path, beside: str | None) -> str:
        """A player of a file; `beside` is its address seen from the page, for when it is not embedded."""
        source = self._sources.get(path, quote(beside) if beside else path.as_uri())
        return f'<audio controls preload="none" src="{source}"></audio>'

    def picture(self, path: Path) -> str:
        """Address of a spectrogram, coloured by dB under the recording's loudest point."""
        return bitmap(self._levels(path) - self.loudest)

    def _levels(self, path: Path) -> NDArray[np.float64]:
        return self._mixture_levels if path == self._mixture else file_levels(path)
