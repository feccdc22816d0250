"""Negative queries: what a condition asks for, less what others ask for.

Where dimensions are classes, a class keeps what it has more than the negative that has most of it:

    c = max(p - max_i n_i, 0)

Elsewhere directions have meaning. Seen from a centre m, the mean query of all classes, the result is the
vector nearest to p that makes no acute angle with any negative, as far from the centre as p is:

    r = argmin |r - (p - m)|  over  r . (n_i - m) <= 0 for all i
    c = m + r |p - m| / |r|

For one negative this takes out the part of p that points its way, if there is any: the orthogonal negation
of Widdows ("Orthogonal negation in vector spaces for modelling word-meanings and document retrieval", ACL
2003), without turning towards what was already avoided. For several it is what is left of p by its projection
onto the cone of the negatives (Moreau), a non-negative least-squares problem. Without the centre, what all
queries share would count as common to the wanted and the unwanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from registry.errors import UserError
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.queries import Conditions, Cue, FixedConditions
from uss_plugins.separation.query_audio import condition_from_file
from uss_plugins.separation.query_text import text_query

LEAST_REST = 0.05
"""Of the distance to the centre: with less left of it, a query and its negatives ask for the same."""


def less(condition: Tensor, negatives: Tensor, centre: Tensor | None) -> Tensor:
    """A condition (condition_size,) less `negatives` (negatives, condition_size); zeros if nothing is left.

    centre: (condition_size,), or None where the dimensions are classes.
    """
    if centre is None:
        return (condition - negatives.amax(0)).clamp(min=0)
    own = (condition - centre).double().cpu().numpy()
    others = (negatives - centre).double().cpu().numpy()
    weights, _ = nnls(others.T, own)
    rest = own - weights @ others
    length, left = np.linalg.norm(own), np.linalg.norm(rest)
    if left <= LEAST_REST * length:
        return torch.zeros_like(condition)
    return centre + torch.from_numpy(rest * (length / left)).to(condition)


def bank_centre(model: UniversalSeparator) -> Tensor:
    """The mean of the classes that the query bank knows (condition_size,); zeros if those are below two."""
    rows = model.query_bank[model.query_bank.any(1)]
    return rows.mean(0) if len(rows) > 1 else torch.zeros_like(model.query_bank[0])


class Less:
    """`Conditions` less negative ones; silent in segments where nothing is left.

    Args:
        conditions: the wanted.
        negatives: (negatives, condition_size).
        centre: (condition_size,), or None where the dimensions are classes.

    Raises:
        UserError: nothing is left of a condition that is the same in all segments.
    """

    def __init__(self, conditions: Conditions, negatives: Tensor, centre: Tensor | None) -> None:
        self._conditions, self._negatives, self._centre = conditions, negatives, centre
        self.classes, self.always = conditions.classes, conditions.always
        if isinstance(conditions, FixedConditions):
            for name, condition in conditions.conditions.items():
                if not bool(less(condition, negatives, centre).any()):
                    raise UserError(
                        f"--not-query and --not-text leave nothing of {name!r}: to this model they ask for"
                        " the same; give others"
                    )

    def __call__(self, audio: Tensor) -> list[dict[str, Cue]]:
        """The wanted cues, each less the negatives; outputs that share a condition share it still."""
        cues = self._conditions(audio)
        found: dict[int, Tensor | None] = {}
        for cue in (cue for segment in cues for cue in segment.values()):
            if cue.condition is not None and id(cue.condition) not in found:
                rest = less(cue.condition, self._negatives, self._centre)
                found[id(cue.condition)] = rest if bool(rest.any()) else None
        return [
            {name: Cue(found.get(id(cue.condition)), cue.probability) for name, cue in one.items()}
            for one in cues
        ]


@torch.inference_mode()
def take_away(
    model: UniversalSeparator,
    conditions: Conditions,
    paths: Sequence[Path],
    texts: Sequence[str],
    *,
    from_text: bool = False,
) -> Conditions:
    """`conditions` less what sounds like some recordings and what some texts say.

    from_text: whether the conditions come from text. With text on either side the centre is zero: the bank's
        is one of sounds, from which all text lies in one direction.

    Raises:
        UserError: a recording cannot be read or is silent, the model does not read, or nothing is left.
    """
    negatives = [condition_from_file(model, path) for path in paths]
    if texts:
        negatives += text_query(model, texts).conditions.values()
    if not negatives:
        return conditions
    stacked = torch.stack(negatives)
    if model.class_indexed:
        return Less(conditions, stacked, None)
    no_centre = from_text or bool(texts)
    centre = torch.zeros_like(stacked[0]) if no_centre else bank_centre(model)
    return Less(conditions, stacked, centre)
