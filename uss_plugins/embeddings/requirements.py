"""What a strategy asks of its query net, and the one line that tells when the net lacks it."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from registry.errors import UserError

_REMEDY = {
    "classes": "use a query net that tags classes, or the strategy 'latent'",
    "embedding": "use a query net that gives one, or the strategy 'soft' or 'hard'",
}


def require_size(strategy: str, what: str, size: int | None) -> int:
    """`size` of the query net's `what` ("classes" or "embedding").

    Raises:
        UserError: the query net has none.
    """
    if not size:
        raise UserError(
            f"embedding strategy {strategy!r}: the query net has no {what}; {_REMEDY[what]}"
        )
    return size


def require_output(strategy: str, what: str, output: Tensor | None) -> Tensor:
    """`output` of the query net, of the kind `what` ("classes" or "embedding").

    Raises:
        UserError: the query net did not give it.
    """
    if output is None:
        raise UserError(
            f"embedding strategy {strategy!r}: the query net gave no {what}; {_REMEDY[what]}"
        )
    return output


def require_norm(strategy: str, norm: float | None) -> float | None:
    """`norm` that embeddings are to have, None for their own.

    Raises:
        UserError: it is not positive.
    """
    if norm is not None and not 0 < norm < math.inf:
        raise UserError(
            f"embedding {strategy!r}: embedding_norm={norm} must be positive and finite; leave it out to keep"
            " embeddings as the query net gives them"
        )
    return norm


def with_norm(embedding: Tensor, norm: float | None) -> Tensor:
    """Embeddings (batch, size) at a Euclidean norm; those of zeros stay zero."""
    return embedding if norm is None else norm * F.normalize(embedding, dim=1)
