"""Mixtures: what is in them, at what level, and what is kept out."""

from __future__ import annotations

import pytest
import torch

from uss_plugins.corpora.mixing import allowed_interferers, mix


@pytest.fixture
def segments() -> torch.Tensor:
    """(5, 1000) noise of levels from 0.1 to 1."""
    noise = torch.randn(5, 1000, generator=torch.Generator().manual_seed(0))
    return noise * torch.linspace(0.1, 1.0, 5).unsqueeze(1)


def test_a_mixture_is_target_plus_the_next_items_at_the_targets_energy(
    segments: torch.Tensor,
) -> None:
    mixture = mix(segments, sources=3)
    assert mixture.interferer_index.tolist() == [[1, 2], [2, 3], [3, 4], [4, 0], [0, 1]]
    assert mixture.missing == 0
    torch.testing.assert_close(mixture.targets, segments)
    torch.testing.assert_close(mixture.mixture, segments + mixture.interferers.sum(dim=1))
    energy = segments.square().mean(dim=1, keepdim=True).expand(5, 2)
    torch.testing.assert_close(mixture.interferers.square().mean(dim=2), energy)
    for target, (first, second) in enumerate(mixture.interferer_index.tolist()):
        for place, item in enumerate((first, second)):
            similarity = torch.cosine_similarity(
                mixture.interferers[target, place], segments[item], dim=0
            )
            assert float(similarity) == pytest.approx(1.0, abs=1e-5)


def test_gains_are_bounded_and_silence_stays_finite(segments: torch.Tensor) -> None:
    segments = torch.stack([segments[4], torch.zeros(1000), segments[4] * 1e-4])
    mixture = mix(segments)
    assert torch.equal(mixture.interferers[0, 0], torch.zeros(1000))
    torch.testing.assert_close(mixture.interferers[1, 0], segments[2] * 0.02)
    torch.testing.assert_close(mixture.interferers[2, 0], segments[0] * 0.02)
    torch.testing.assert_close(mix(segments[[2, 0]]).interferers[1, 0], segments[2] * 50)


def test_random_gains_fill_their_range_and_follow_the_generator(segments: torch.Tensor) -> None:
    batch = segments.repeat(200, 1)

    def levels(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        mixed = mix(batch, gain_range_db=(-5.0, 3.0), generator=generator)
        ratio = mixed.interferers.square().mean(dim=2) / batch.square().mean(dim=1, keepdim=True)
        return 10 * ratio.log10()

    assert -5.0 <= levels(0).min() < -4.9
    assert 2.9 < levels(0).max() <= 3.0001
    assert float(levels(0).mean()) == pytest.approx(-1.0, abs=0.3)
    assert torch.equal(levels(0), levels(0))
    assert not torch.equal(levels(0), levels(1))


def test_the_next_allowed_items_are_taken_and_missing_ones_counted(segments: torch.Tensor) -> None:
    allowed = torch.ones(5, 5, dtype=torch.bool)
    allowed[0, [1, 3]] = False
    allowed[1] = False
    allowed[2] = torch.tensor([True, False, True, False, False])
    allowed.fill_diagonal_(False)
    mixture = mix(segments, sources=3, allowed=allowed)
    assert mixture.interferer_index.tolist() == [[2, 4], [-1, -1], [0, -1], [4, 0], [0, 1]]
    assert mixture.missing == 3
    assert torch.equal(mixture.mixture[1], segments[1])
    assert torch.equal(mixture.interferers[2, 1], torch.zeros(1000))


def test_a_small_batch_lacks_interferers_rather_than_mixing_a_target_with_itself(
    segments: torch.Tensor,
) -> None:
    mixture = mix(segments[:2], sources=4)
    assert mixture.interferer_index.tolist() == [[1, -1, -1], [0, -1, -1]]
    assert mixture.missing == 4
    alone = mix(segments[:1])
    assert alone.missing == 1
    assert torch.equal(alone.mixture, segments[:1])


def test_an_interferer_that_carries_or_is_tagged_with_the_targets_class_is_not_allowed() -> None:
    class_index = torch.tensor([0, 1, 2])
    labels = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    assert allowed_interferers(class_index, labels).tolist() == [
        [False, False, True],
        [True, False, True],
        [True, True, False],
    ]
    probabilities = torch.tensor([[0.9, 0.0, 0.6], [0.9, 0.9, 0.4], [0.1, 0.3, 0.9]])
    assert allowed_interferers(class_index, labels, probabilities, threshold=0.5).tolist() == [
        [False, False, True],
        [True, False, True],
        [False, True, False],
    ]


def test_no_disjoint_mixture_holds_its_targets_class_twice() -> None:
    generator = torch.Generator().manual_seed(3)
    labels = torch.rand(32, 6, generator=generator) < 0.3
    class_index = labels.float().argmax(dim=1)
    allowed = allowed_interferers(class_index, labels)
    index = mix(
        torch.rand(32, 10, generator=generator), sources=4, allowed=allowed
    ).interferer_index
    for target, interferers in enumerate(index.tolist()):
        found = [item for item in interferers if item >= 0]
        assert found
        assert not labels[found, class_index[target]].any()
        assert len(set(found)) == len(found)
