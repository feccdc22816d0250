"""Downloads from a server that breaks off, sends too little, or sends something else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from weights.flaky_server import Behaviour, serving

from registry.errors import UserError
from uss_plugins.weights.cache import adopt, fetch
from uss_plugins.weights.catalogue import PublishedWeights

CONTENT = np.random.default_rng(0).bytes(1_000_000)
OTHER = np.random.default_rng(1).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Behaviour]:
    """A server that has `CONTENT`."""
    behaviour = Behaviour(CONTENT)
    with serving(behaviour):
        yield behaviour


@pytest.fixture
def weights(server: Behaviour) -> PublishedWeights:
    """What the server has, of known size and unknown hash."""
    return PublishedWeights("net", "net.pth", len(CONTENT), None, "CC0", server.url, "a net")


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_download_is_kept_with_its_hash(
    server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    progress: list[tuple[int, int | None]] = []
    path, fresh = fetch(weights, tmp_path / "cache", lambda *now: progress.append(now))
    assert fresh
    assert path.read_bytes() == CONTENT
    assert files(tmp_path / "cache") == {"net.pth", "net.pth.sha256"}
    assert (tmp_path / "cache" / "net.pth.sha256").read_text() == f"{SHA256}  net.pth\n"
    assert progress[-1] == (len(CONTENT), len(CONTENT))


def test_a_second_fetch_asks_nobody(
    server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    fetch(weights, tmp_path)
    path, fresh = fetch(weights, tmp_path)
    assert (path.read_bytes() == CONTENT, fresh, len(server.requests)) == (True, False, 1)


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_broken_download_goes_on(
    size: int | None, server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    server.breaks = [300_000, 200_000]
    path, _ = fetch(replace(weights, bytes=size), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-", "bytes=500000-"]
    assert files(tmp_path) == {"net.pth", "net.pth.sha256"}


def test_a_later_run_goes_on(server: Behaviour, weights: PublishedWeights, tmp_path: Path) -> None:
    server.breaks = [300_000, 0, 0, 0]
    with pytest.raises(
        UserError, match=r"breaks off \(300000 bytes are here\); run the same again"
    ):
        fetch(weights, tmp_path)
    assert not (tmp_path / "net.pth").exists()
    server.breaks.clear()
    path, _ = fetch(weights, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.requests[-1] == "bytes=300000-"


def test_another_version_is_not_mixed_in(
    server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    server.content, server.etag, server.breaks = OTHER, '"old"', [300_000, 0, 0, 0]
    with pytest.raises(UserError, match="breaks off"):
        fetch(weights, tmp_path)
    server.content, server.etag, server.breaks = CONTENT, '"new"', []
    path, _ = fetch(weights, tmp_path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["no ranges", "wrong ranges", "no etag", "weak etag"])
def test_a_server_that_cannot_go_on_starts_anew(
    fault: str, server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    server.breaks = [300_000, *([0] if fault == "wrong ranges" else [])]
    server.ranges = fault != "no ranges"
    server.wrong_ranges = fault == "wrong ranges"
    server.etag = {"no etag": None, "weak etag": 'W/"one"'}.get(fault, server.etag)
    path, _ = fetch(weights, tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_server_that_always_sends_too_little(
    server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    server.ranges, server.breaks = False, [1000] * 20
    with pytest.raises(UserError, match="breaks off"):
        fetch(weights, tmp_path)
    assert not (tmp_path / "net.pth").exists()
    assert len(server.requests) < 10


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x"])
def test_another_size_is_refused(
    content: bytes, server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    server.content = content
    with pytest.raises(UserError, match=f"offers {len(content)} bytes, and {len(CONTENT)} were"):
        fetch(weights, tmp_path)
    assert files(tmp_path) == set()


def test_other_bytes_than_published_are_refused(
    server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    server.content = OTHER
    with pytest.raises(UserError, match="its bytes are not those that were published"):
        fetch(replace(weights, sha256=SHA256), tmp_path)
    assert files(tmp_path) == set()


def test_other_bytes_than_the_first_time_are_refused(
    server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    path, _ = fetch(weights, tmp_path)
    path.unlink()
    server.content = OTHER
    with pytest.raises(UserError, match="not those that were downloaded the first time"):
        fetch(weights, tmp_path)
    assert files(tmp_path) == {"net.pth.sha256"}


@pytest.mark.parametrize("damage", [OTHER, CONTENT[:-1]])
def test_damage_in_the_cache_is_found(
    damage: bytes, weights: PublishedWeights, tmp_path: Path
) -> None:
    path, _ = fetch(weights, tmp_path)
    path.write_bytes(damage)
    with pytest.raises(UserError, match=r"net.pth and fetch it again"):
        fetch(weights, tmp_path)


@pytest.mark.parametrize(("status", "says"), [(404, "answers 404"), (503, "answers 503")])
def test_a_server_that_refuses(
    status: int, says: str, server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    server.status = status
    with pytest.raises(UserError, match=says) as caught:
        fetch(weights, tmp_path)
    assert "--from-file" in str(caught.value)


def test_a_file_that_somebody_has(
    server: Behaviour, weights: PublishedWeights, tmp_path: Path
) -> None:
    own = tmp_path / "own.pth"
    own.write_bytes(CONTENT)
    path = adopt(weights, own, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    assert fetch(weights, tmp_path / "cache") == (path, False)
    own.write_bytes(OTHER)
    with pytest.raises(UserError, match="not those that were downloaded the first time"):
        adopt(weights, own, tmp_path / "cache")
    own.write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match="has 999999 bytes, 1000000 were published"):
        adopt(weights, own, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    assert server.requests == []
