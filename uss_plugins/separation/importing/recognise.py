"""What a checkpoint is, by its keys and shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from registry.errors import UserError
from uss_plugins.weights.reading import Checkpoint

SEPARATOR, QUERY_NET, ADAPTOR = "ss_model.", "query_net.base.", "query_net."
DETECTOR, SCORER = (
    "anchor_segment_detector.sed_model.",
    "anchor_segment_detector.anchor_segment_scorer.",
)
FILM = "ss_model.film.encoder_block1->conv_block1->beta1.weight"

MAX_SIZE = 16384
"""Of a condition or a layer; a damaged file may claim anything."""

Kind = Literal["system", "separator", "query net"]
DESCRIPTIONS: dict[Kind, str] = {
    "system": "a training checkpoint of the released USS: separator and query net",
    "separator": "a separator without a query net, as in AudioSep",
    "query net": "a PANNs query net",
}


@dataclass(frozen=True)
class Contents:
    """What a checkpoint is, and the components that its shapes ask for, in a recipe's words.

    query_net, embedding, separator: None where the checkpoint says nothing of it.
    detector: whether it holds a sound event detector, too.
    note: what could not be told for certain.
    """

    kind: Kind
    query_net: dict[str, Any] | None = None
    embedding: dict[str, Any] | None = None
    separator: dict[str, Any] | None = None
    detector: bool = False
    note: str | None = None


def recognise(checkpoint: Checkpoint) -> Contents:
    """Tell the kinds of checkpoints apart.

    Raises:
        UserError: it is none of them, or its condition fits nothing.
    """
    state = checkpoint.state
    if FILM in state:
        if not any(key.startswith("query_net.") for key in state):
            return Contents("separator", separator=_separator(checkpoint))
        return Contents(
            "system",
            query_net={"name": "cnn14"},
            embedding=_embedding(checkpoint),
            separator=_separator(checkpoint),
            detector=any(key.startswith(DETECTOR) for key in state),
        )
    if "fc_audioset.weight" in state and "conv_block1.conv1.weight" in state:
        return _panns(checkpoint)
    shown = ", ".join(list(state)[:3])
    raise UserError(
        f"{checkpoint.path}: not a checkpoint that is known here, with keys such as {shown}; give one of"
        " USS, PANNs (Cnn14, Cnn14_DecisionLevelMax) or AudioSep"
    )


def _separator(checkpoint: Checkpoint) -> dict[str, Any]:
    """ResUNet30 by the shapes of its first FiLM layer and convolution."""
    found: dict[str, Any] = {"name": "resunet30", "condition_size": _size(checkpoint, FILM, 1)}
    if (channels := _size(checkpoint, SEPARATOR + "base.pre_conv.weight", 1)) > 1:
        found["channels"] = channels
    return found


def _embedding(checkpoint: Checkpoint) -> dict[str, Any]:
    """The strategy whose condition has the separator's size."""
    condition_size = _size(checkpoint, FILM, 1)
    class_count = _size(checkpoint, QUERY_NET + "fc_audioset.weight", 0)
    embedding_size = _size(checkpoint, QUERY_NET + "fc1.weight", 0)
    if ADAPTOR + "fc1.weight" in checkpoint.state:
        from_classes = _size(checkpoint, ADAPTOR + "fc1.weight", 1) == class_count
        return {
            "name": "learnable",
            "source": "soft" if from_classes else "latent",
            "hidden_size": _size(checkpoint, ADAPTOR + "fc1.weight", 0),
            "condition_size": condition_size,
        }
    if condition_size == class_count:
        return {"name": "soft"}
    if condition_size == embedding_size:
        return {"name": "latent"}
    raise UserError(
        f"{checkpoint.path}: the separator follows conditions of {condition_size}, and the query net has"
        f" {class_count} classes and an embedding of {embedding_size}; no strategy joins them"
    )


def _panns(checkpoint: Checkpoint) -> Contents:
    """Cnn14 or Cnn14_DecisionLevelMax, whose keys and shapes are the same: the file's name decides."""
    name = checkpoint.path.name.casefold().replace("_", "").replace("-", "")
    detector = "decisionlevel" in name
    note = None
    if not detector and "cnn14" not in name:
        note = (
            "Cnn14 and Cnn14_DecisionLevelMax have the same keys and shapes; taken for Cnn14, use"
            " --query-net cnn14_decision_level_max if it is the other"
        )
    query_net = "cnn14_decision_level_max" if detector else "cnn14"
    return Contents("query net", query_net={"name": query_net}, note=note)


def _size(checkpoint: Checkpoint, key: str, dimension: int) -> int:
    """A dimension of a tensor, before networks are built that large."""
    value = checkpoint.state.get(key)
    if value is None:
        raise UserError(f"{checkpoint.path}: {key} is missing; the file is damaged, get it again")
    size = value.shape[dimension] if value.ndim > dimension else 0
    if not 1 <= size <= MAX_SIZE:
        raise UserError(
            f"{checkpoint.path}: {key} is {tuple(value.shape)}, which no network here can be; the file is"
            " damaged, get it again"
        )
    return size
