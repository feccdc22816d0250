"""Latent conditioning: the query net's embedding of the query."""

from __future__ import annotations

from torch import Tensor, nn

from registry.contracts import QueryOutput
from uss_plugins.embeddings.requirements import (
    require_norm,
    require_output,
    require_size,
    with_norm,
)


class LatentEmbedding(nn.Module):
    """The condition is the query net's embedding, whose dimensions are not classes.

    Args:
        embedding_size: of the query net's embedding.
        embedding_norm: the Euclidean norm that embeddings are given, so that a query net of long ones steers
            a separator no harder than one of short ones; None keeps them as they are, as the paper does.

    Raises:
        UserError: the query net gives no embedding, or the norm is not positive.
    """

    class_indexed = False
    needs_classes = False

    def __init__(self, embedding_size: int | None, embedding_norm: float | None = None) -> None:
        super().__init__()
        self.condition_size = require_size("latent", "embedding", embedding_size)
        self.embedding_norm = require_norm("latent", embedding_norm)

    def forward(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        """Condition (batch, embedding_size); `classes` is not used.

        Raises:
            UserError: the query has no embedding.
        """
        embedding = require_output("latent", "embedding", query.embedding)
        return with_norm(embedding, self.embedding_norm)
