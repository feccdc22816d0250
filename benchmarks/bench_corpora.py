"""Every installed corpus: reading or making one clip after the other, on one core.

Corpora that read files are given a few written here. The requirement for the synthetic one is a real-time
factor of at most 1/30; its sounds are measured one by one, too.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from corpora.audioset_files import write_segments, write_wav
from installed_components import Build
from measuring import Measure

from registry import ComponentSpec, load_plugins
from uss_plugins.corpora.pack_index import write_index
from uss_plugins.corpora.packing import pack
from uss_plugins.corpora.synthesis.catalogue import GENERATORS
from uss_plugins.corpora.synthetic import SyntheticCorpus

CLIPS, CLIP_SECONDS, FILE_RATE = 8, 10.0, 44100
SOURCE_SECONDS = 5.0


def write_audioset(folder: Path) -> Path:
    """Clips of 10 s in AudioSet's layout; gives the segment CSV, beside which they are in `wavs`."""
    (folder / "wavs").mkdir()
    for number in range(CLIPS):
        write_wav(folder / "wavs", number, round(CLIP_SECONDS * FILE_RATE), FILE_RATE)
    segments = folder / "segments.csv"
    write_segments(segments, [(number,) for number in range(CLIPS)])
    return segments


def audioset_csv(folder: Path) -> dict[str, Any]:
    """Parameters of `audioset_csv`."""
    segments = write_audioset(folder)
    return {
        "segments": {"train": str(segments)},
        "audio_dirs": {"train": str(folder / "wavs")},
    }


def audioset_hdf5(folder: Path) -> dict[str, Any]:
    """Parameters of `audioset_hdf5`."""
    part, index = folder / "part.h5", folder / "index.h5"
    pack(write_audioset(folder), folder / "wavs", part, sample_rate=32000)
    write_index([part], index)
    return {"indexes": {"train": str(index)}}


def manifest(folder: Path) -> dict[str, Any]:
    """Parameters of `manifest`."""
    write_audioset(folder)
    paths = sorted((folder / "wavs").iterdir())
    lines = ["path,labels,split", *(f"{path},Speech,train" for path in paths)]
    (folder / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    return {"path": str(folder / "manifest.csv")}


FILES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "audioset_csv": audioset_csv,
    "audioset_hdf5": audioset_hdf5,
    "manifest": manifest,
}


@pytest.mark.benchmark(group="corpus, one clip")
def test_clip(corpus: ComponentSpec, build: Build, measure: Measure, tmp_path: Path) -> None:
    given: dict[str, Any] = FILES[corpus.name](tmp_path) if corpus.name in FILES else {}
    known = {one.name for one in load_plugins().parameters("corpus", corpus.name)}
    built = build(corpus, {**({"split": "train"} if "split" in known else {}), **given})
    lengths = [len(built.clip(index)) for index in range(min(CLIPS, len(built)))]
    indices = count()
    measure(
        lambda: built.clip(next(indices) % len(built)),
        corpus,
        audio_seconds=sum(lengths) / len(lengths) / built.sample_rate,
        settings={"sample_rate": built.sample_rate},
    )


@pytest.mark.benchmark(group="synthetic corpus, one clip, by sample rate")
@pytest.mark.parametrize("sample_rate", [8000, 16000, 32000, 44100])
def test_synthetic_rates(measure: Measure, sample_rate: int) -> None:
    corpus = SyntheticCorpus("train", clips=2000, sample_rate=sample_rate)
    indices = count()
    measure(
        lambda: corpus.clip(next(indices)),
        f"{sample_rate} Hz",
        audio_seconds=corpus.clip_seconds,
    )


@pytest.mark.benchmark(group="synthetic corpus, one isolated source")
@pytest.mark.parametrize("name", GENERATORS)
def test_synthetic_sources(measure: Measure, name: str) -> None:
    corpus = SyntheticCorpus("train", clips=1)
    class_index = corpus.class_names.index(name)
    indices = count()
    measure(
        lambda: corpus.source(class_index, next(indices), SOURCE_SECONDS),
        name,
        audio_seconds=SOURCE_SECONDS,
    )


@pytest.mark.benchmark(group="synthetic corpus, opened")
def test_plan_of_ten_thousand_clips(measure: Measure) -> None:
    measure(lambda: SyntheticCorpus("train", clips=10_000), "10000 clips")
