"""Mining anchors with every installed query net that tags: clips of 10 s of the synthetic corpus.

The clips are on disk, as a recipe with `cache: true` has them. Fresh weights find other anchors than trained
ones, in the same time.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from installed_components import Build
from measuring import Measure

from registry import ComponentSpec
from uss_plugins.corpora.cache import CachedCorpus
from uss_plugins.corpora.mining import mine_anchors
from uss_plugins.corpora.synthetic import SyntheticCorpus

CLIPS, BATCH_SIZE = 4, 4


@pytest.mark.benchmark(group="mining anchors")
def test_mining(query_net: ComponentSpec, build: Build, measure: Measure, tmp_path: Path) -> None:
    net = build(query_net)
    corpus = SyntheticCorpus("train", clips=CLIPS, sample_rate=net.sample_rate)
    cached = CachedCorpus(corpus, tmp_path, key=net.sample_rate)
    cached.render()
    measure(
        lambda: mine_anchors(cached, net, batch_size=BATCH_SIZE, device=build.device),
        query_net,
        networks=[net],
        audio_seconds=CLIPS * corpus.clip_seconds,
        settings={"batch_size": BATCH_SIZE, "anchors": int(corpus.labels.sum())},
    )
