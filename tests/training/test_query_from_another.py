"""`condition_from: another`: each target's query is another anchor of its class, never its own audio."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from training.test_condition_from import CLASSES, batch, system
from training.two_tones import RATE, SEGMENT_SAMPLES, TwoTones, anchors_of

from registry.errors import UserError
from uss_plugins.corpora.anchors import AnchorTable, cut_segment
from uss_plugins.corpora.mining import mine_anchors
from uss_plugins.corpora.mixing import allowed_interferers
from uss_plugins.training.batches import SegmentBatches


class Numbered:
    """Clip n counts its samples from 100 000 n, so that audio tells where it comes from."""

    sample_rate = RATE
    class_names: tuple[str, ...] = ("a", "b", "c")
    class_ids: tuple[str, ...] = ("/a", "/b", "/c")

    def __init__(self, classes: list[int]) -> None:
        self.labels: NDArray[np.bool_] = np.eye(3, dtype=bool)[classes]

    def __len__(self) -> int:
        return len(self.labels)

    def clip(self, index: int) -> NDArray[np.float32]:
        return np.arange(100_000 * index, 100_000 * index + 5000, dtype=np.float32)


def table(corpus: Numbered, starts: list[int]) -> AnchorTable:
    return AnchorTable(
        clip=np.arange(len(corpus)),
        class_index=corpus.labels.argmax(1),
        start_samples=np.array(starts),
        probabilities=np.zeros((len(corpus), 0), np.float16),
        sample_rate=RATE,
        segment_samples=1000,
    )


def test_the_other_is_of_the_class_and_of_another_clip() -> None:
    corpus = Numbered([0, 1, 0, 1, 0])
    batches = SegmentBatches(corpus, table(corpus, [10] * 5), 4, seed=1, with_others=True)
    seen = set()
    for number in range(20):
        made = batches[number]
        assert made.others is not None
        assert made.others.shape == made.segments.shape
        own, other = (
            audio[:, 0].div(100_000, rounding_mode="floor").long()
            for audio in (made.segments, made.others)
        )
        assert (own != other).all()
        assert (made.class_index == torch.from_numpy(corpus.labels.argmax(1))[other]).all()
        assert torch.equal(made.others, batches[number].others)
        seen |= set(zip(own.tolist(), other.tolist(), strict=True))
    assert seen == {(0, 2), (0, 4), (2, 0), (2, 4), (4, 0), (4, 2), (1, 3), (3, 1)}


def test_a_class_of_one_clip_is_queried_by_the_clips_far_end() -> None:
    corpus = Numbered([0, 1])
    batches = SegmentBatches(corpus, table(corpus, [0, 3000]), 2, seed=1, with_others=True)
    made = batches[0]
    assert made.others is not None
    starts = dict(zip(made.class_index.tolist(), made.others[:, 0].tolist(), strict=True))
    assert starts == {0: 4000.0, 1: 100_000.0}


def test_an_unreadable_other_is_passed_over() -> None:
    corpus = TwoTones(clips=6, unreadable=[2])
    batches = SegmentBatches(corpus, anchors_of(corpus), 4, seed=1, with_others=True)
    allowed = [
        torch.from_numpy(cut_segment(corpus.clip(clip), 100 * clip, SEGMENT_SAMPLES))
        for clip in (0, 1, 3, 4, 5)
    ]
    for number in range(6):
        others = batches[number].others
        assert others is not None
        assert all(any(torch.equal(other, one) for one in allowed) for other in others)


def test_without_being_asked_no_others_are_read() -> None:
    corpus = Numbered([0, 1])
    assert SegmentBatches(corpus, table(corpus, [0, 0]), 2, seed=1)[0].others is None


@pytest.mark.parametrize("class_indexed", [True, False])
def test_the_condition_is_what_is_heard_in_the_other(class_indexed: bool) -> None:
    of, items = system("another", class_indexed), batch()
    others = items.segments.flip(1)
    classes = F.one_hot(items.class_index, CLASSES).float()
    found = of.condition(of.mixed(items), classes, others)
    torch.testing.assert_close(found, of.separator.listen(others).embedding)


def test_anchors_can_be_placed_without_any_net() -> None:
    corpus = Numbered([0, 2, 1])
    anchors = mine_anchors(corpus, None, method="random", segment_seconds=0.1)
    assert anchors.class_index.tolist() == [0, 2, 1]
    assert anchors.probabilities.shape == (3, 0)
    assert (anchors.start_samples + anchors.segment_samples <= 5000).all()
    assert len(anchors.exclusive(0.3)) == 3
    with pytest.raises(UserError, match="gives no frame probabilities, which largest-area anchors"):
        mine_anchors(corpus, None)


def test_without_tags_labels_alone_keep_a_class_from_itself() -> None:
    labels = torch.tensor([[1, 0], [1, 1], [0, 1]], dtype=torch.bool)
    allowed = allowed_interferers(torch.tensor([0, 0, 1]), labels, torch.zeros(3, 0))
    assert allowed.tolist() == [[False, False, True], [False, False, True], [True, False, False]]
