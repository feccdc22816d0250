"""Conditions from text, by a query net that reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from registry.errors import UserError
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.queries import FixedConditions


@torch.inference_mode()
def text_query(
    model: UniversalSeparator, texts: Sequence[str], *, together: bool = False
) -> FixedConditions:
    """What some texts say, such as "a dog barking": one output each, or their mean in one.

    Raises:
        UserError: a text is empty, or the model does not read.
    """
    wanted = list(dict.fromkeys(" ".join(text.split()) for text in texts))
    if not all(wanted):
        raise UserError('--text is empty; say what to extract, such as "a dog barking"')
    conditions = model.condition_from_text(wanted)
    if together:
        return FixedConditions({" + ".join(wanted): conditions.mean(0)})
    return FixedConditions(dict(zip(wanted, conditions, strict=True)))
