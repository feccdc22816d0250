"""A cached corpus is its corpus, to the last bit of 16; and both built-in corpora keep the contract."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from registry import load_plugins
from registry.conformance import check
from registry.contracts import ClipUnreadableError, Corpus
from uss_plugins.corpora.cache import CLIPS_PER_FILE, FULL_SCALE, CachedCorpus
from uss_plugins.files import aside_of

CLIPS = 2 * CLIPS_PER_FILE + 5
UNREADABLE = 70


class Noise:
    """Clips of different lengths, one of which is a damaged file; counts what is asked of it."""

    sample_rate = 8000
    class_names: tuple[str, ...] = ("even", "odd")
    class_ids: tuple[str, ...] = ("/m/even", "/m/odd")

    def __init__(self) -> None:
        self.labels: NDArray[np.bool_] = np.eye(2, dtype=bool)[np.arange(CLIPS) % 2]
        self.read: list[int] = []

    def __len__(self) -> int:
        return CLIPS

    def clip(self, index: int) -> NDArray[np.float32]:
        self.read.append(index)
        if index == UNREADABLE:
            raise ClipUnreadableError("noise70.wav: damaged")
        audio = np.random.default_rng(index).uniform(-1, 1, 20 + index)
        audio[0] = 1.0 if index % 2 else -1.0
        return audio.astype(np.float32)


def readable() -> list[int]:
    return [index for index in range(CLIPS) if index != UNREADABLE]


@pytest.fixture
def cached(tmp_path: Path) -> CachedCorpus:
    """Rendered."""
    corpus = CachedCorpus(Noise(), tmp_path, {"seed": 1})
    corpus.render()
    return corpus


def assert_equal_clips(cached: CachedCorpus) -> None:
    original = Noise()
    for index in readable():
        clip, expected = cached.clip(index), original.clip(index)
        assert clip.dtype == np.float32
        assert clip.shape == expected.shape
        assert np.abs(clip - expected).max() <= 0.5001 / FULL_SCALE


def test_clips_and_all_else_are_the_corpuss(cached: CachedCorpus) -> None:
    assert_equal_clips(cached)
    assert check("corpus", cached) == []
    original = Noise()
    assert len(cached) == CLIPS
    assert (cached.sample_rate, cached.class_names) == (8000, ("even", "odd"))
    assert cached.class_ids == original.class_ids
    assert np.array_equal(cached.labels, original.labels)


def test_nothing_is_read_twice(tmp_path: Path, cached: CachedCorpus) -> None:
    progress: list[tuple[int, int]] = []
    again = CachedCorpus(Noise(), tmp_path, {"seed": 1})
    again.render(progress=lambda done, total: progress.append((done, total)))
    for index in readable():
        again.clip(index)
    assert isinstance(again.corpus, Noise)
    assert again.corpus.read == []
    assert progress == []


@pytest.mark.parametrize("lost", ["00001.ends.npy", "00001.samples.npy"])
def test_a_half_done_cache_is_continued(tmp_path: Path, cached: CachedCorpus, lost: str) -> None:
    (cached.folder / lost).unlink()
    progress: list[tuple[int, int]] = []
    again = CachedCorpus(Noise(), tmp_path, {"seed": 1})
    again.render(progress=lambda done, total: progress.append((done, total)))
    assert isinstance(again.corpus, Noise)
    assert sorted(again.corpus.read) == list(range(CLIPS_PER_FILE, 2 * CLIPS_PER_FILE))
    assert progress == [(3, 3)]
    assert_equal_clips(again)


def test_what_a_killed_rendering_left_is_removed(cached: CachedCorpus) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    whole = set(cached.folder.iterdir())
    part = aside_of(cached.folder / "00001.samples.npy").name
    (cached.folder / part.replace(f".{os.getpid()}.", f".{ended.pid}.")).touch()
    cached.render()
    assert set(cached.folder.iterdir()) == whole


def test_clips_are_rendered_when_asked_for_if_they_were_not_before(tmp_path: Path) -> None:
    corpus = CachedCorpus(Noise(), tmp_path, "key")
    assert_equal_clips(corpus)
    assert len(list(corpus.folder.glob("*.npy"))) == 6


def test_another_key_is_another_set_of_files(tmp_path: Path, cached: CachedCorpus) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.npy")}
    other = CachedCorpus(Noise(), tmp_path, {"seed": 2})
    other.render()
    assert other.folder != cached.folder
    assert {path: path.read_bytes() for path in before} == before
    same = CachedCorpus(Noise(), tmp_path, {"seed": 1})
    assert same.folder == cached.folder


def test_an_unreadable_clip_says_why_each_time(cached: CachedCorpus) -> None:
    for _ in range(2):
        with pytest.raises(ClipUnreadableError, match=r"noise70.wav: damaged"):
            cached.clip(UNREADABLE)


class Clips(Dataset[torch.Tensor]):
    """Clips of a corpus for a DataLoader."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.corpus.clip(index))


def test_workers_read_the_same_clips(cached: CachedCorpus) -> None:
    cached.clip(0)  # its memory map is open, and does not travel
    loader = DataLoader(
        Clips(cached), batch_size=None, num_workers=2, multiprocessing_context="forkserver"
    )
    for index, clip in enumerate(loader):
        assert np.array_equal(clip.numpy(), cached.clip(index))
    assert len(pickle.dumps(cached)) < 10_000


def test_several_processes_render_the_same_files(tmp_path: Path, cached: CachedCorpus) -> None:
    together = CachedCorpus(Noise(), tmp_path / "together", {"seed": 1})
    progress: list[tuple[int, int]] = []
    together.render(jobs=2, progress=lambda done, total: progress.append((done, total)))
    assert progress == [(1, 3), (2, 3), (3, 3)]
    files = sorted(path.name for path in cached.folder.iterdir())
    assert sorted(path.name for path in together.folder.iterdir()) == files
    for name in files:
        assert (together.folder / name).read_bytes() == (cached.folder / name).read_bytes()


def synthetic(folder: Path) -> Corpus:
    corpus: Corpus = load_plugins().build(
        "corpus", "synthetic", split="test", clips=4, clip_seconds=2.0, sample_rate=8000
    )
    return corpus


def manifest(folder: Path) -> Corpus:
    for index in range(3):
        audio = np.random.default_rng(index).uniform(-0.5, 0.5, (4000 + index, 2))
        soundfile.write(folder / f"{index}.wav", audio, 16000)
    table = folder / "clips.csv"
    table.write_text("path,labels\n0.wav,Speech\n1.wav,Speech;Siren\n2.wav,Bark\n")
    corpus: Corpus = load_plugins().build(
        "corpus", "manifest", split="train", path={"train": str(table)}, sample_rate=8000
    )
    return corpus


@pytest.mark.parametrize("build", [synthetic, manifest])
def test_built_in_corpora_keep_the_contract_also_through_the_cache(
    build: Callable[[Path], Corpus], tmp_path: Path
) -> None:
    corpus = build(tmp_path)
    assert check("corpus", corpus) == []
    assert check("corpus", CachedCorpus(corpus, tmp_path / "cache", "key")) == []
