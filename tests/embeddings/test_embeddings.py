"""The four strategies: what each makes of a query, and what each says when the query lacks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from registry.contracts import EmbeddingStrategy, QueryOutput
from registry.errors import UserError
from uss_plugins.embeddings.hard import HardEmbedding
from uss_plugins.embeddings.latent import LatentEmbedding
from uss_plugins.embeddings.learnable import LearnableEmbedding
from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.query_nets.panns import cnn_small

CLASSES = torch.tensor([[0, 1, 0], [1, 0, 1]])
QUERY = QueryOutput(
    clip_probabilities=torch.tensor([[0.1, 0.9, 0.2], [0.7, 0.0, 1.0]]),
    embedding=torch.tensor([[1.0, -2.0, 0.5, 0.0, 3.0], [0.0, 4.0, -1.0, 2.0, -0.5]]),
)


def learnable(**parameters: Any) -> LearnableEmbedding:
    torch.manual_seed(0)
    return LearnableEmbedding(3, 5, **{"condition_size": 4, "hidden_size": 8, **parameters})


@pytest.mark.parametrize(
    ("strategy", "condition_size", "class_indexed", "needs_classes"),
    [
        (HardEmbedding(3), 3, True, True),
        (SoftEmbedding(3), 3, True, False),
        (LatentEmbedding(5), 5, False, False),
        (learnable(), 4, False, False),
        (learnable(source="soft", condition_size=7), 7, False, False),
    ],
)
def test_contract(
    strategy: nn.Module, condition_size: int, class_indexed: bool, needs_classes: bool
) -> None:
    assert isinstance(strategy, EmbeddingStrategy)
    assert strategy.condition_size == condition_size
    assert strategy.class_indexed is class_indexed
    assert strategy.needs_classes is needs_classes
    condition = strategy(QUERY, CLASSES)
    assert condition.shape == (2, condition_size)
    assert condition.dtype == torch.float32


def test_hard_is_the_classes_as_given() -> None:
    assert torch.equal(HardEmbedding(3)(QueryOutput(), CLASSES), CLASSES.float())


def test_soft_is_the_probabilities() -> None:
    assert torch.equal(SoftEmbedding(3)(QUERY, None), QUERY.clip_probabilities)


def test_latent_is_the_embedding() -> None:
    assert torch.equal(LatentEmbedding(5)(QUERY, None), QUERY.embedding)


def test_embeddings_can_be_given_a_norm() -> None:
    assert QUERY.embedding is not None
    scaled = LatentEmbedding(5, embedding_norm=3.0)(QUERY, None)
    assert torch.allclose(scaled.norm(dim=1), torch.tensor([3.0, 3.0]))
    assert torch.allclose(scaled / scaled[:, 4:], QUERY.embedding / QUERY.embedding[:, 4:])
    nothing = LatentEmbedding(5, embedding_norm=3.0)(QueryOutput(embedding=torch.zeros(1, 5)), None)
    assert torch.equal(nothing, torch.zeros(1, 5))
    adapted = learnable(embedding_norm=3.0).eval()(QUERY, None)
    assert torch.equal(adapted, learnable().eval()(QueryOutput(embedding=scaled), None))


@pytest.mark.parametrize("norm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_norm_is_positive(norm: float) -> None:
    for make in (lambda: LatentEmbedding(5, norm), lambda: learnable(embedding_norm=norm)):
        with pytest.raises(UserError, match=f"embedding_norm={norm} must be positive"):
            make()


@pytest.mark.parametrize("source", ["latent", "soft"])
def test_learnable_is_two_linear_layers_with_leaky_relus(source: str) -> None:
    strategy = learnable(source=source, negative_slope=0.1).eval()
    vector = (QUERY.embedding if source == "latent" else QUERY.clip_probabilities).numpy()
    for layer in (strategy.fc1, strategy.fc2):
        nn.init.uniform_(layer.bias)
        vector = vector @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        vector = np.where(vector > 0, vector, 0.1 * vector)
    np.testing.assert_allclose(strategy(QUERY, None).detach().numpy(), vector, rtol=1e-5)


def test_learnable_drops_half_in_training_only() -> None:
    strategy = learnable(condition_size=2000)
    nn.init.ones_(strategy.fc2.bias)
    dropped = (strategy(QUERY, None) == 0).float().mean()
    assert 0.45 < dropped < 0.55
    assert (strategy.eval()(QUERY, None) != 0).all()


def test_learnable_has_the_sizes_of_the_paper_by_default() -> None:
    strategy = LearnableEmbedding(None, 16)
    assert strategy.condition_size == 2048
    assert strategy.fc1.weight.shape == (2048, 16)
    assert strategy.fc2.weight.shape == (2048, 2048)


def test_learnable_moves_in_training_and_a_frozen_query_net_does_not() -> None:
    torch.manual_seed(0)
    net = cnn_small(class_names=["a", "b", "c"], channels=(4, 8), embedding_size=5)
    net.requires_grad_(False).eval()
    strategy = learnable()
    before = {name: value.clone() for name, value in strategy.named_parameters()}
    net_before = {name: value.clone() for name, value in net.state_dict().items()}
    trained = [p for p in (*net.parameters(), *strategy.parameters()) if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, 1e-2, weight_decay=0.0)
    for _ in range(2):  # dropout may keep a unit out of one step
        optimiser.zero_grad()
        (strategy(net(torch.randn(8, 8000)), None) - 1).square().mean().backward()
        optimiser.step()
    for name, value in strategy.named_parameters():
        assert not torch.equal(value, before[name]), name
    for name, value in net.state_dict().items():
        assert torch.equal(value, net_before[name]), name


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda: HardEmbedding(None), "'hard': the query net has no classes"),
        (lambda: HardEmbedding(0), "'hard': the query net has no classes"),
        (lambda: SoftEmbedding(None), "'soft': the query net has no classes"),
        (lambda: LatentEmbedding(None), "'latent': the query net has no embedding"),
        (lambda: LearnableEmbedding(3, None), "'learnable': the query net has no embedding"),
        (
            lambda: LearnableEmbedding(None, 5, source="soft"),
            "'learnable': the query net has no classes",
        ),
        (lambda: HardEmbedding(3)(QUERY, None), "'hard': it follows named classes only"),
        (lambda: SoftEmbedding(3)(QueryOutput(), None), "'soft': the query net gave no classes"),
        (lambda: LatentEmbedding(5)(QueryOutput(), None), "the query net gave no embedding"),
        (lambda: learnable()(QueryOutput(), None), "the query net gave no embedding"),
        (lambda: learnable(source="soft")(QueryOutput(), None), "gave no classes"),
    ],
)
def test_says_what_is_missing(mistake: Callable[[], object], told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        mistake()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "parameters", [{"condition_size": 0}, {"hidden_size": -1}, {"dropout": 1.0}, {"dropout": -0.1}]
)
def test_learnable_refuses_sizes_and_dropout_out_of_range(parameters: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="must be at least 1, dropout="):
        learnable(**parameters)
