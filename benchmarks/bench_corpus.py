"""How many times faster than real time the synthetic corpus is made, on one core.

Each result's `extra_info` holds `times_real_time`; the requirement is 30.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from uss_plugins.corpora.synthesis.catalogue import GENERATORS
from uss_plugins.corpora.synthetic import SyntheticCorpus

SECONDS = 5.0


@pytest.mark.parametrize("sample_rate", [8000, 16000, 32000, 44100])
def test_clips(benchmark: Any, sample_rate: int) -> None:
    corpus = SyntheticCorpus("train", clips=2000, sample_rate=sample_rate)
    indices = count()
    benchmark.pedantic(
        lambda: corpus.clip(next(indices) % len(corpus)), rounds=100, warmup_rounds=3
    )
    _note_speed(benchmark, corpus.clip_seconds)


@pytest.mark.parametrize("name", GENERATORS)
def test_sources(benchmark: Any, name: str) -> None:
    corpus = SyntheticCorpus("train", clips=1)
    class_index = corpus.class_names.index(name)
    indices = count()
    benchmark.pedantic(
        lambda: corpus.source(class_index, next(indices), SECONDS), rounds=20, warmup_rounds=2
    )
    _note_speed(benchmark, SECONDS)


def test_plan_of_ten_thousand_clips(benchmark: Any) -> None:
    benchmark.pedantic(lambda: SyntheticCorpus("train", clips=10_000), rounds=5)


def _note_speed(benchmark: Any, seconds: float) -> None:
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info["times_real_time"] = round(seconds / benchmark.stats.stats.mean)
