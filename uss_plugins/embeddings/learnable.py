"""Learnable conditioning: two linear layers that are trained with the separator."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from registry.contracts import QueryOutput
from registry.errors import UserError
from uss_plugins.embeddings.requirements import (
    require_norm,
    require_output,
    require_size,
    with_norm,
)


class LearnableEmbedding(nn.Module):
    """The condition is an adaptor's view of the query net's embedding or clip probabilities.

    Each of its two linear layers is followed by a leaky ReLU, then dropout; the parameters
    carry the released names (`fc1`, `fc2`). Kernels start Xavier uniform, biases at zero.

    Args:
        class_count: classes of the query net; used with the source `soft`.
        embedding_size: of the query net's embedding; used with the source `latent`.
        condition_size: of the condition.
        hidden_size: of the layer between.
        source: what is adapted, `latent` (the embedding) or `soft` (the clip probabilities).
        dropout: probability, in training.
        negative_slope: of the leaky ReLU.
        embedding_norm: the Euclidean norm that embeddings are given before the first layer; None keeps them
            as they are, as the paper does. The source `soft` has no embeddings.

    Raises:
        UserError: the query net lacks the source, or a size, the dropout or the norm is out of range.
    """

    class_indexed = False
    needs_classes = False

    def __init__(
        self,
        class_count: int | None,
        embedding_size: int | None,
        condition_size: int = 2048,
        hidden_size: int = 2048,
        source: Literal["latent", "soft"] = "latent",
        dropout: float = 0.5,
        negative_slope: float = 0.01,
        embedding_norm: float | None = None,
    ) -> None:
        super().__init__()
        if min(condition_size, hidden_size) < 1 or not 0 <= dropout < 1:
            raise UserError(
                f"embedding 'learnable': condition_size={condition_size} and hidden_size={hidden_size} must"
                f" be at least 1, dropout={dropout} from 0 to below 1"
            )
        if source == "latent":
            source_size = require_size("learnable", "embedding", embedding_size)
        else:
            source_size = require_size("learnable", "classes", class_count)
        self.embedding_norm = require_norm("learnable", embedding_norm)
        self.condition_size = condition_size
        self.source = source
        self.dropout = dropout
        self.negative_slope = negative_slope
        self.fc1 = nn.Linear(source_size, hidden_size)
        self.fc2 = nn.Linear(hidden_size, condition_size)
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        """Condition (batch, condition_size); `classes` is not used.

        Raises:
            UserError: the query lacks the source.
        """
        if self.source == "latent":
            vector = require_output("learnable", "embedding", query.embedding)
            vector = with_norm(vector, self.embedding_norm)
        else:
            vector = require_output("learnable", "classes", query.clip_probabilities)
        return self._layer(self.fc2, self._layer(self.fc1, vector))

    def _layer(self, linear: nn.Linear, vector: Tensor) -> Tensor:
        activated = F.leaky_relu(linear(vector), self.negative_slope)
        return F.dropout(activated, self.dropout, self.training)
