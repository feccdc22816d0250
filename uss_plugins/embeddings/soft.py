"""Soft conditioning: how likely the query net finds each class in the query."""

from __future__ import annotations

from torch import Tensor, nn

from registry.contracts import QueryOutput
from uss_plugins.embeddings.requirements import require_output, require_size


class SoftEmbedding(nn.Module):
    """The condition is the query net's clip probabilities.

    Args:
        class_count: classes of the query net.

    Raises:
        UserError: the query net tags no classes.
    """

    class_indexed = True
    needs_classes = False

    def __init__(self, class_count: int | None) -> None:
        super().__init__()
        self.condition_size = require_size("soft", "classes", class_count)

    def forward(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        """Condition (batch, class_count), in [0, 1]; `classes` is not used.

        Raises:
            UserError: the query has no clip probabilities.
        """
        return require_output("soft", "classes", query.clip_probabilities)
