"""The cache of published weights: fetched once, verified every time."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pooch

from registry.errors import UserError
from uss_plugins.files import write_text, written_aside
from uss_plugins.weights.catalogue import PublishedWeights
from uss_plugins.weights.download import Progress, ResumedDownload

CACHE_VARIABLE = "USS_PLUGINS_CACHE"
"""Environment variable that names another cache folder than the platform's."""


def cache_folder() -> Path:
    """Where weights are kept."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path(pooch.os_cache("uss-plugins")) / "weights"


def fetch(
    weights: PublishedWeights, folder: Path, progress: Progress | None = None
) -> tuple[Path, bool]:
    """The file of some published weights in `folder`, and whether it had to be downloaded.

    Where no hash is published, that of the first download is kept in `folder` and compared from then on.

    Raises:
        UserError: it cannot be downloaded, or is not what was published or kept. The wrong file is removed.
    """
    path = folder / weights.file
    expected = expected_hash(weights, folder)
    if path.exists():
        verify(path, weights, expected, f"remove {path} and fetch it again")
        remember(weights, folder, expected or digest(path))
        return path, False
    folder.mkdir(parents=True, exist_ok=True)
    download = ResumedDownload(folder / f"{weights.file}.part", weights.bytes, progress)
    pooch.get_logger().setLevel(logging.ERROR)  # progress and errors say it better
    try:
        pooch.retrieve(
            weights.url,
            known_hash=f"sha256:{expected}" if expected else None,
            fname=weights.file,
            path=folder,
            downloader=download,
        )
    except ValueError:
        # pooch has removed the file whose hash differs.
        raise UserError(
            f"{weights.url}: its bytes are not those that were {origin(weights)}; fetch again, and if that"
            " does not help, the published file was changed"
        ) from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); check the disk") from None
    verify(path, weights, None, "fetch it again")
    remember(weights, folder, expected or digest(path))
    return path, True


def adopt(weights: PublishedWeights, file: Path, folder: Path) -> Path:
    """Copy into the cache what somebody has already.

    Raises:
        UserError: it is not there, or not what was published or kept.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file")
    expected = expected_hash(weights, folder)
    verify(file, weights, expected, f"it is not {weights.file}")
    found = expected or digest(file)
    try:
        with written_aside(folder / weights.file) as aside:
            shutil.copyfile(file, aside)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); check the disk") from None
    remember(weights, folder, found)
    return folder / weights.file


def verify(path: Path, weights: PublishedWeights, expected: str | None, remedy: str) -> None:
    """Raise UserError for a file of another size or hash."""
    size = path.stat().st_size
    if weights.bytes not in (None, size):
        raise UserError(f"{path}: has {size} bytes, {weights.bytes} were published; {remedy}")
    if expected is not None and digest(path) != expected:
        raise UserError(f"{path}: its bytes are not those that were {origin(weights)}; {remedy}")


def expected_hash(weights: PublishedWeights, folder: Path) -> str | None:
    """The published hash, or the one that was kept, or None before the first download."""
    kept = kept_hash(weights, folder)
    return weights.sha256 or (kept.read_text().split()[0] if kept.exists() else None)


def remember(weights: PublishedWeights, folder: Path, found: str) -> None:
    """Keep the hash of a first download, in the format of sha256sum."""
    if weights.sha256 is None and not kept_hash(weights, folder).exists():
        write_text(kept_hash(weights, folder), f"{found}  {weights.file}\n")


def kept_hash(weights: PublishedWeights, folder: Path) -> Path:
    """The file of the hash that is kept."""
    return folder / f"{weights.file}.sha256"


def origin(weights: PublishedWeights) -> str:
    """Whence the expected hash comes."""
    return "published" if weights.sha256 else "downloaded the first time"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return str(pooch.file_hash(str(path)))
