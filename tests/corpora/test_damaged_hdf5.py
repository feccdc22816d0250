"""Packed files and indexes that are damaged, or made to do harm: one report, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from registry.contracts import ClipUnreadableError
from registry.errors import UserError
from uss_plugins.corpora.audioset_hdf5 import AudioSetHdf5Corpus
from uss_plugins.corpora.pack_index import write_index

CLIPS, SAMPLES, RATE = 3, 40, 8000


def write_part(path: Path) -> Path:
    generator = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["audio_name"] = np.array([f"Y{n}.wav".encode() for n in range(CLIPS)], "S20")
        file["waveform"] = generator.integers(-32768, 32768, (CLIPS, SAMPLES)).astype(np.int16)
        file["target"] = np.eye(CLIPS, 527, dtype=bool)
        file.attrs["sample_rate"] = np.int32(RATE)
    return path


@pytest.fixture
def packed(tmp_path: Path) -> tuple[Path, Path]:
    """A part and its index."""
    part, index = write_part(tmp_path / "part.h5"), tmp_path / "index.h5"
    write_index([part], index, relative=True)
    return part, index


def read_all(index: Path) -> list[np.ndarray]:
    corpus = AudioSetHdf5Corpus("test", {"test": str(index)}, sample_rate=RATE)
    return [corpus.clip(clip) for clip in range(len(corpus))]


def replaced(name: str, value: object, **options: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=value, **options)

    return change


def rate(value: object) -> Callable[[h5py.File], None]:
    return lambda file: file.attrs.__setitem__("sample_rate", value)


def link(target: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file["waveform"]
        file["waveform"] = target

    return change


PARTS: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "no values at all": (replaced("waveform", h5py.Empty("i2")), "no dataset 'waveform'"),
    "32 bits": (replaced("waveform", np.zeros((CLIPS, 9), np.int32)), "is int32.*not int16"),
    "floats": (replaced("waveform", np.zeros((CLIPS, 9), np.float32)), "is float32"),
    "one axis": (replaced("waveform", np.zeros(CLIPS, np.int16)), r"int16 \(3,\)"),
    "fewer clips": (replaced("waveform", np.zeros((1, 9), np.int16)), "has 1 clips, the index"),
    "broken link": (link(h5py.SoftLink("/nowhere")), "no dataset 'waveform'"),
    "link in a circle": (link(h5py.SoftLink("/waveform")), "no dataset 'waveform'"),
    "link to no file": (link(h5py.ExternalLink("none.h5", "/x")), "no dataset 'waveform'"),
    "a rate in words": (rate("fast"), "no attribute 'sample_rate'"),
    "several rates": (rate(np.array([8000, 16000])), "no attribute 'sample_rate'"),
    "an endless rate": (rate(np.inf), "no attribute 'sample_rate'"),
    "an empty rate": (rate(h5py.Empty("i4")), "no attribute 'sample_rate'"),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_not_as_it_should_be(packed: tuple[Path, Path], name: str) -> None:
    part, index = packed
    change, says = PARTS[name]
    with h5py.File(part, "r+") as file:
        change(file)
    with pytest.raises(UserError, match=f"part.h5: .*{says}"):
        read_all(index)


INDEXES: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "text of any length": (
        replaced("hdf5_path", ["part.h5"] * CLIPS, dtype=h5py.string_dtype()),
        "'hdf5_path' is object",
    ),
    "numbers as labels": (replaced("target", np.ones((CLIPS, 527), np.int8)), "'target' is int8"),
    "fewer classes": (replaced("target", np.ones((CLIPS, 10), bool)), r"bool \(3, 10\)"),
    "empty": (replaced("index_in_hdf5", h5py.Empty("i4")), "no dataset 'index_in_hdf5'"),
    "before the first clip": (
        replaced("index_in_hdf5", np.arange(CLIPS, dtype=np.int32) - 1),
        "names -1 to 1",
    ),
    "another length": (
        replaced("index_in_hdf5", np.zeros(CLIPS + 1, np.int32)),
        r"differ in length: \[3, 4\]",
    ),
}


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_is_not_as_it_should_be(packed: tuple[Path, Path], name: str) -> None:
    _, index = packed
    change, says = INDEXES[name]
    with h5py.File(index, "r+") as file:
        change(file)
    with pytest.raises(UserError, match=says):
        read_all(index)


@pytest.mark.parametrize("which", ["part", "index"])
def test_flipped_and_lost_bytes_are_told_or_harmless(packed: tuple[Path, Path], which: str) -> None:
    part, index = packed
    path = part if which == "part" else index
    whole = path.read_bytes()
    generator = np.random.default_rng(1)
    for trial in range(150):
        damaged = bytearray(whole)
        if trial % 3:
            for place in generator.integers(0, min(len(whole), 4096), 4):
                damaged[place] ^= int(generator.integers(1, 256))
        else:
            del damaged[int(generator.integers(0, len(whole))) :]
        path.write_bytes(damaged)
        try:
            clips = read_all(index)
        except (UserError, ClipUnreadableError):
            continue
        assert all(np.abs(clip).max() <= 1 for clip in clips)
