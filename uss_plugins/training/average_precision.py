"""Mean average precision, the measure of taggers on AudioSet."""

from __future__ import annotations

from torch import Tensor

from uss_plugins.ecosystems import import_torchmetrics


def mean_average_precision(probabilities: Tensor, labels: Tensor) -> float:
    """Macro average precision of (clips, classes) probabilities against bool labels, in [0, 1].

    Classes that no clip carries do not count; NaN if no clip carries any.
    """
    import_torchmetrics()
    from torchmetrics.functional.classification.average_precision import (
        multilabel_average_precision,
    )

    carried = labels.any(0)
    if not carried.any():
        return float("nan")
    if carried.sum() == 1:  # torchmetrics wants at least two labels.
        probabilities, labels = (
            probabilities[:, carried].expand(-1, 2),
            labels[:, carried].expand(-1, 2),
        )
    else:
        probabilities, labels = probabilities[:, carried], labels[:, carried]
    average = multilabel_average_precision(
        probabilities, labels.long(), num_labels=labels.shape[1], average="macro"
    )
    return float(average)
