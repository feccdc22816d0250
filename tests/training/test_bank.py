"""The query bank: mean conditions of anchors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from training.two_tones import TwoTones, anchors_of, tones_model, tones_recipe

from uss_plugins.corpora.anchors import AnchorTable
from uss_plugins.training.bank import query_bank


def rows_of(table: AnchorTable, rows: list[int]) -> AnchorTable:
    """Some rows of a table."""
    columns = ("clip", "class_index", "start_samples", "probabilities")
    return replace(table, **{name: getattr(table, name)[rows] for name in columns})


def one_by_one(strategy: str, anchors: AnchorTable, corpus: TwoTones) -> torch.Tensor:
    """The mean over anchors heard one at a time; classes without any stay zero."""
    model = tones_model(tones_recipe({"name": strategy})).eval()
    bank = torch.zeros(2, model.condition_size)
    for class_index in range(2):
        conditions = []
        for row in np.flatnonzero(anchors.class_index == class_index):
            start = anchors.start_samples[row]
            audio = torch.from_numpy(corpus.clip(int(anchors.clip[row])))
            segment = audio[start : start + anchors.segment_samples]
            segment = torch.nn.functional.pad(segment, (0, anchors.segment_samples - len(segment)))
            classes = torch.eye(2)[[class_index]]
            with torch.no_grad():
                conditions.append(model.condition_from_audio(segment[None], classes)[0])
        if conditions:
            bank[class_index] = torch.stack(conditions).mean(0)
    return bank


@pytest.mark.parametrize("strategy", ["hard", "soft", "latent", "learnable"])
@pytest.mark.parametrize("batch_size", [4, 64])
def test_bank_is_the_mean_of_conditions_heard_one_by_one(strategy: str, batch_size: int) -> None:
    corpus = TwoTones()
    model = tones_model(tones_recipe({"name": strategy}))
    bank = query_bank(model, corpus, anchors_of(corpus), batch_size=batch_size)
    expected = one_by_one(strategy, anchors_of(corpus), corpus)
    torch.testing.assert_close(bank, expected, rtol=1e-5, atol=1e-6)
    assert not bank.requires_grad
    assert model.query_bank.count_nonzero() == 0  # given back, not written


def test_hard_rows_are_one_hot() -> None:
    corpus = TwoTones()
    model = tones_model(tones_recipe({"name": "hard"}))
    torch.testing.assert_close(query_bank(model, corpus, anchors_of(corpus)), torch.eye(2))


def test_a_class_without_anchors_gets_zeros() -> None:
    corpus = TwoTones()
    model = tones_model(tones_recipe({"name": "soft"}))
    bank = query_bank(model, corpus, rows_of(anchors_of(corpus), [1, 3, 5]))
    assert not bank[0].any()
    assert bank[1].all()


def test_so_many_anchors_of_each_class_are_drawn_from_the_seed() -> None:
    corpus, recipe = TwoTones(), tones_recipe({"name": "soft"})
    model = tones_model(recipe)
    anchors = anchors_of(corpus)
    banks = [
        query_bank(model, corpus, anchors, anchors_per_class=2, seed=seed) for seed in (0, 0, 1)
    ]
    assert torch.equal(banks[0], banks[1])
    assert not torch.equal(banks[0], banks[2])
    pairs = [(low, high) for low in range(0, 12, 2) for high in range(low + 2, 12, 2)]
    means = [one_by_one("soft", rows_of(anchors, list(pair)), corpus)[0] for pair in pairs]
    assert sum(torch.allclose(banks[0][0], mean, rtol=1e-5, atol=1e-6) for mean in means) == 1


def test_anchors_that_became_unreadable_do_not_count() -> None:
    model = tones_model(tones_recipe({"name": "soft"}))
    readable = TwoTones()
    anchors = anchors_of(readable)
    bank = query_bank(model, TwoTones(unreadable=[0, 4]), anchors)
    expected = query_bank(model, readable, rows_of(anchors, [1, 2, 3, *range(5, 12)]))
    torch.testing.assert_close(bank, expected)
