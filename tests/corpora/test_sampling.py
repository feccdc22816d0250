"""Class-balanced sampling: every class once an epoch, every clip once a pass, at any position."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.typing import NDArray

from uss_plugins.corpora.sampling import ClassBalancedSampler


@pytest.fixture
def labels() -> NDArray[np.bool_]:
    """(40 clips, 7 classes) with classes of unequal size, class 3 without any clip."""
    random = np.random.default_rng(0)
    labels = random.random((40, 7)) < np.array([0.05, 0.1, 0.2, 0.0, 0.3, 0.6, 0.02])
    labels[0, [0, 1, 6]] = True
    return labels


def test_each_epoch_draws_every_class_that_has_clips_once(labels: NDArray[np.bool_]) -> None:
    sampler = ClassBalancedSampler(labels, seed=1)
    assert sampler.class_indices == (0, 1, 2, 4, 5, 6)
    assert sampler.empty_classes == (3,)
    epochs = [[sampler.draw(6 * epoch + k)[1] for k in range(6)] for epoch in range(50)]
    assert all(sorted(epoch) == [0, 1, 2, 4, 5, 6] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 40


def test_each_pass_of_a_class_takes_each_of_its_clips_once(labels: NDArray[np.bool_]) -> None:
    sampler = ClassBalancedSampler(labels, seed=1)
    draws = [sampler.draw(position) for position in range(6 * 100)]
    for class_index in sampler.class_indices:
        clips = [clip for clip, drawn in draws if drawn == class_index]
        own = np.flatnonzero(labels[:, class_index]).tolist()
        passes = [clips[k : k + len(own)] for k in range(0, len(clips) - len(own) + 1, len(own))]
        assert len(passes) >= 2
        assert all(sorted(one) == own for one in passes)
        if len(own) > 5:
            assert passes[0] != passes[1]


def test_random_access_equals_reading_in_order(labels: NDArray[np.bool_]) -> None:
    in_order = [ClassBalancedSampler(labels, seed=5).draw(position) for position in range(300)]
    sampler = ClassBalancedSampler(labels, seed=5)
    for position in np.random.default_rng(1).permutation(300).tolist():
        assert sampler.draw(position) == in_order[position]
    resumed = pickle.loads(pickle.dumps(sampler))
    assert [resumed.draw(position) for position in range(200, 300)] == in_order[200:]


def test_another_seed_is_another_stream(labels: NDArray[np.bool_]) -> None:
    first, second = (ClassBalancedSampler(labels, seed=seed) for seed in (0, 1))
    assert [first.draw(k) for k in range(60)] != [second.draw(k) for k in range(60)]


def test_labels_without_any_class_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one labelled clip"):
        ClassBalancedSampler(np.zeros((3, 2), bool), seed=0)
