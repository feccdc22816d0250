"""Hard conditioning: the classes themselves (the paper's one-hot condition)."""

from __future__ import annotations

from torch import Tensor, nn

from registry.contracts import QueryOutput
from registry.errors import UserError
from uss_plugins.embeddings.requirements import require_size


class HardEmbedding(nn.Module):
    """The condition is the classes' indicator: one-hot for one class, multi-hot for a union.

    Args:
        class_count: classes of the query net.

    Raises:
        UserError: the query net tags no classes.
    """

    class_indexed = True
    needs_classes = True

    def __init__(self, class_count: int | None) -> None:
        super().__init__()
        self.condition_size = require_size("hard", "classes", class_count)

    def forward(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        """Condition (batch, class_count), float32: `classes` (batch, class_count) as given.

        Raises:
            UserError: `classes` is None.
        """
        if classes is None:
            raise UserError(
                "embedding strategy 'hard': it follows named classes only; name the classes, "
                "or use a model with another strategy"
            )
        return classes.float()
