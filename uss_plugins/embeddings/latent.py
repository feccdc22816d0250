"""Latent conditioning: the query net's embedding of the query."""

from __future__ import annotations

from torch import Tensor, nn

from registry.contracts import QueryOutput
from uss_plugins.embeddings.requirements import require_output, require_size


class LatentEmbedding(nn.Module):
    """The condition is the query net's embedding, whose dimensions are not classes.

    Args:
        embedding_size: of the query net's embedding.

    Raises:
        UserError: the query net gives no embedding.
    """

    class_indexed = False
    needs_classes = False

    def __init__(self, embedding_size: int | None) -> None:
        super().__init__()
        self.condition_size = require_size("latent", "embedding", embedding_size)

    def forward(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        """Condition (batch, embedding_size); `classes` is not used.

        Raises:
            UserError: the query has no embedding.
        """
        return require_output("latent", "embedding", query.embedding)
