"""The composed model: conditions from audio, from classes and from a mask, for each strategy."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from training.two_tones import RATE, tones_model, tones_recipe

from registry.contracts import QueryOutput
from registry.errors import UserError
from uss_plugins.separation.model import UniversalSeparator

BANK_SEED = 4


@pytest.fixture
def audio() -> Tensor:
    return torch.rand(3, RATE, generator=torch.Generator().manual_seed(0)) - 0.5


def model_of(strategy: str) -> UniversalSeparator:
    """In evaluation mode, its bank filled with positive numbers."""
    model = tones_model(tones_recipe({"name": strategy})).eval()
    generator = torch.Generator().manual_seed(BANK_SEED)
    model.query_bank.copy_(torch.rand(model.query_bank.shape, generator=generator) + 0.1)
    return model


@torch.no_grad()
def test_condition_from_audio_is_what_the_strategy_makes_of_it(audio: Tensor) -> None:
    classes = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    heard = model_of("soft").listen(audio)
    assert heard.clip_probabilities is not None
    assert heard.embedding is not None
    assert torch.equal(model_of("hard").condition_from_audio(audio, classes), classes)
    for given in (None, classes):
        soft = model_of("soft").condition_from_audio(audio, given)
        assert torch.equal(soft, heard.clip_probabilities)
        latent = model_of("latent").condition_from_audio(audio, given)
        assert torch.equal(latent, heard.embedding)
        learnable = model_of("learnable")
        adapted = learnable.embedding(QueryOutput(embedding=heard.embedding), None)
        assert torch.equal(learnable.condition_from_audio(audio, given), adapted)


@torch.no_grad()
def test_hard_conditioning_takes_the_most_probable_class_if_told_none(audio: Tensor) -> None:
    model = model_of("hard")
    probabilities = model.listen(audio).clip_probabilities
    assert probabilities is not None
    expected = (probabilities == probabilities.amax(1, keepdim=True)).float()
    assert torch.equal(model.condition_from_audio(audio), expected)


@pytest.mark.parametrize("strategy", ["hard", "soft", "latent", "learnable"])
def test_condition_from_classes_is_the_banks_rows(strategy: str) -> None:
    model = model_of(strategy)
    rows = model.condition_from_classes([1, 0, 1])
    assert torch.equal(rows, torch.stack([model.query_bank[k] for k in (1, 0, 1)]))
    assert model.query_bank.shape == (2, model.condition_size)


@torch.no_grad()
def test_a_mask_on_conditions_made_of_classes_keeps_their_probabilities() -> None:
    query = QueryOutput(clip_probabilities=torch.tensor([[0.9, 0.2], [0.3, 0.6]]))
    mask = torch.tensor([[0.0, 1.0], [1.0, 1.0]])
    soft = model_of("soft").condition_from_mask(query, mask)
    assert torch.equal(soft, torch.tensor([[0.0, 0.2], [0.3, 0.6]]))
    assert torch.equal(model_of("hard").condition_from_mask(query, mask), mask)


@pytest.mark.parametrize("strategy", ["latent", "learnable"])
@torch.no_grad()
def test_a_mask_on_other_conditions_weighs_the_banks_rows(strategy: str) -> None:
    """Their dimensions are no classes, so nothing is masked in them."""
    model = model_of(strategy)
    query = QueryOutput(clip_probabilities=torch.tensor([[0.9, 0.2], [0.3, 0.6], [0.5, 0.5]]))
    mask = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    low, high = model.query_bank
    expected = torch.stack([high, (low + 2 * high) / 3, torch.zeros_like(low)])
    torch.testing.assert_close(model.condition_from_mask(query, mask), expected)


def test_a_mask_needs_probabilities() -> None:
    for strategy in ("soft", "latent"):
        with pytest.raises(UserError, match="tags no classes, so classes cannot be masked"):
            model_of(strategy).condition_from_mask(QueryOutput(), torch.ones(1, 2))


def test_the_estimate_has_the_mixtures_shape_and_follows_the_condition(audio: Tensor) -> None:
    model = model_of("soft")
    mixture = audio[:, None, :5001]
    with torch.no_grad():
        one, other = (model(mixture, condition.expand(3, -1)) for condition in torch.eye(2))
        separator = model.separator(mixture, torch.eye(2)[:1].expand(3, -1))
    assert one.shape == mixture.shape
    assert torch.equal(one, separator)
    assert not torch.allclose(one, other)


def test_a_frozen_query_net_stays_in_evaluation_mode_without_gradients(audio: Tensor) -> None:
    model = tones_model(tones_recipe({"name": "learnable"})).train()
    assert model.embedding.training
    assert model.separator.training
    assert not any(part.training for part in model.query_net.modules())
    assert not any(parameter.requires_grad for parameter in model.query_net.parameters())
    heard = model.listen(audio).embedding
    assert heard is not None
    assert not heard.requires_grad
    assert model.condition_from_audio(audio).requires_grad


def test_a_query_net_that_is_to_be_trained_follows_the_mode(audio: Tensor) -> None:
    model = tones_model(tones_recipe({"name": "soft"}, train_query_net=True)).train()
    assert model.query_net.training
    heard = model.listen(audio).clip_probabilities
    assert heard is not None
    assert heard.requires_grad
    model.eval()
    assert not model.query_net.training
    with torch.no_grad():
        assert not model.condition_from_audio(audio).requires_grad


def test_parts_and_bank_are_in_the_state() -> None:
    model = model_of("learnable")
    assert isinstance(model, nn.Module)
    parts = {key.partition(".")[0] for key in model.state_dict()}
    assert parts == {"query_net", "embedding", "separator", "query_bank"}
    assert not model.query_bank.requires_grad
