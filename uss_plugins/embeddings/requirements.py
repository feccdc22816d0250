"""What a strategy asks of its query net, and the one line that tells when the net lacks it."""

from __future__ import annotations

from torch import Tensor

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
