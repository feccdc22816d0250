"""What a recording is asked for: by class names, by example audio or text, or all that is heard in it.

A query becomes `Conditions`: called with the audio of some segments, it says for each segment which outputs
sound in it and with which condition. Conditions and activity may thus change from segment to segment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from registry.errors import UserError
from uss_plugins.labels.lookup import find_in
from uss_plugins.separation.model import UniversalSeparator

ConditionChoice = Literal["auto", "mask", "bank"]
DETECTION_THRESHOLD = 0.2
"""The least clip probability that counts as heard (released system)."""


@dataclass(frozen=True)
class Cue:
    """What one output is told for one segment.

    condition: (condition_size,), or None where the output is silent.
    probability: the largest clip probability of its classes, where the query net was asked.
    """

    condition: Tensor | None
    probability: float | None = None


class Conditions(Protocol):
    """A query, as the separation of recordings wants it.

    classes: output -> names of the classes it is made of (none for a query by audio or text).
    always: outputs that get a file even where they are never heard.
    """

    classes: Mapping[str, tuple[str, ...]]
    always: tuple[str, ...]

    def __call__(self, audio: Tensor) -> list[dict[str, Cue]]:
        """Cues by output, for each segment of mono `audio` (segments, samples)."""
        ...


class FixedConditions:
    """For each output one condition for the whole recording, made beforehand from example audio or text.

    conditions: output -> (condition_size,).
    """

    def __init__(self, conditions: Mapping[str, Tensor]) -> None:
        self.conditions = conditions
        self.classes: Mapping[str, tuple[str, ...]] = dict.fromkeys(conditions, ())
        self.always: tuple[str, ...] = tuple(conditions)
        self._cues = {name: Cue(condition) for name, condition in conditions.items()}

    def __call__(self, audio: Tensor) -> list[dict[str, Cue]]:
        """The same cues for every segment."""
        return [dict(self._cues) for _ in audio]


class ClassConditions:
    """Each output is one class or the union of several.

    Args:
        model: what separates; its query net listens to each segment.
        groups: output -> indices of its classes.
        threshold: an output is silent in segments where none of its classes is at least so probable; None
            for never, and with the bank the query net need not listen at all then, which a large one's users
            notice.
        source: "mask": what the query net hears of the classes; "bank": their mean training conditions.
        always: whether every output gets a file, or only those that are heard.

    Raises:
        UserError: probabilities are needed and the query net tags no classes, or the bank has no such class.
    """

    def __init__(
        self,
        model: UniversalSeparator,
        groups: Mapping[str, Sequence[int]],
        *,
        threshold: float | None,
        source: Literal["mask", "bank"],
        always: bool,
    ) -> None:
        self._model, self._threshold, self._source = model, threshold, source
        self.classes: Mapping[str, tuple[str, ...]] = {
            name: tuple(model.class_names[index] for index in indices)
            for name, indices in groups.items()
        }
        self.always: tuple[str, ...] = tuple(groups) if always else ()
        # Shorter groups are filled with a class of their own, so that all are one tensor.
        longest = max(map(len, groups.values()), default=1)
        filled = [[*own, *[own[0]] * (longest - len(own))] for own in groups.values()]
        self._indices = torch.tensor(
            filled, dtype=torch.long, device=model.query_bank.device
        ).reshape(-1, longest)
        self._members = torch.zeros(
            len(groups), len(model.class_names), device=model.query_bank.device
        ).scatter_(1, self._indices, 1.0)
        self._bank = (
            {name: bank_condition(model, indices) for name, indices in groups.items()}
            if source == "bank"
            else {}
        )

    def __call__(self, audio: Tensor) -> list[dict[str, Cue]]:
        """Listen once for all classes, unless nothing depends on it; see `Conditions`."""
        if self._threshold is None and self._source == "bank":
            return [{name: Cue(self._bank[name]) for name in self.classes} for _ in audio]
        query = self._model.listen(audio)
        heard = query.clip_probabilities
        if heard is None:
            raise UserError(
                "the model's query net tags no classes, so it cannot tell where they sound;"
                " use --condition bank without --threshold, or --query"
            )
        cues: list[dict[str, Cue]] = [{} for _ in audio]
        # All outputs at once: on a GPU each transfer waits for the card.
        by_output = heard[:, self._indices].amax(2).T.tolist()
        for row, (name, probabilities) in enumerate(zip(self.classes, by_output, strict=True)):
            members = self._members[row].expand_as(heard)
            active = [self._threshold is None or p >= self._threshold for p in probabilities]
            if not any(active) and name not in self.always:
                continue
            conditions = (
                self._bank[name].expand(len(audio), -1)
                if self._source == "bank"
                else self._model.condition_from_mask(query, members)
            )
            for segment, probability in enumerate(probabilities):
                condition = conditions[segment] if active[segment] else None
                cues[segment][name] = Cue(condition, probability)
        return cues


def classes_query(
    model: UniversalSeparator,
    text: str,
    *,
    together: bool = False,
    threshold: float | None = None,
    condition: ConditionChoice = "auto",
) -> ClassConditions:
    """The classes named in `text`, separated by commas: one output each, or their union in one.

    Who asks for a class wants it, so nothing is silenced unless a `threshold` is given.
    """
    indices = resolve_classes(model.class_names, model.class_ids, text)
    groups: dict[str, Sequence[int]] = {model.class_names[index]: (index,) for index in indices}
    if together:
        groups = {" + ".join(groups): indices}
    source = choose_condition(model, indices) if condition == "auto" else condition
    return ClassConditions(model, groups, threshold=threshold, source=source, always=True)


def detected_query(
    model: UniversalSeparator,
    *,
    threshold: float | None = None,
    condition: ConditionChoice = "auto",
) -> ClassConditions:
    """Every class that is heard in some segment, at `threshold` (by default 0.2) or more."""
    everything = list(range(len(model.class_names)))
    source = condition
    if source == "auto":
        source = "mask" if model.class_indexed else "bank"
    if not model.class_indexed or source == "bank":
        everything = model.query_bank.any(1).nonzero().flatten().tolist()
    return ClassConditions(
        model,
        {model.class_names[index]: (index,) for index in everything},
        threshold=DETECTION_THRESHOLD if threshold is None else threshold,
        source=source,
        always=False,
    )


def choose_condition(model: UniversalSeparator, indices: Sequence[int]) -> Literal["mask", "bank"]:
    """What `--condition auto` means for classes that were asked for by name.

    The bank where it knows them all: it stays as strong where the query net hears the class faintly under
    others, while a mask of small probabilities asks for next to nothing. Otherwise the mask.
    """
    known = bool(model.query_bank[list(indices)].any(1).all())
    return "mask" if model.class_indexed and not known else "bank"


def bank_condition(model: UniversalSeparator, indices: Sequence[int]) -> Tensor:
    """The condition (condition_size,) for the union of some classes, from the model's query bank.

    Where dimensions are classes each keeps its own strength (the maximum); elsewhere the mean.
    """
    rows = model.condition_from_classes(indices)
    unknown = [index for index, row in zip(indices, rows, strict=True) if not bool(row.any())]
    if unknown:
        raise UserError(
            f"the model's query bank does not know {model.class_names[unknown[0]]!r}: it had no anchors"
            " in training; use --condition mask or --query"
        )
    return rows.amax(0) if model.class_indexed else rows.mean(0)


def resolve_classes(names: Sequence[str], ids: Sequence[str], text: str) -> list[int]:
    """Indices of the classes in a text separated by commas, which names may hold too; each once, in order.

    At each place the longest run of parts that is a known class is taken: "Male speech, man speaking, Dog" is
    two classes.

    Raises:
        UserError: a part that is no class, with the nearest names; or no part at all.
    """
    parts = [part.strip() for part in text.split(",")]
    longest = 1 + max((name.count(",") for name in names), default=0)
    found: dict[int, None] = {}
    place = 0
    while place < len(parts):
        if not parts[place]:
            place += 1
            continue
        taken = min(longest, len(parts) - place)
        while taken > 1 and ", ".join(parts[place : place + taken]).casefold() not in {
            name.casefold() for name in names
        }:
            taken -= 1
        found[find_in(names, ids, ", ".join(parts[place : place + taken]))] = None
        place += taken
    if not found:
        raise UserError("--classes names no class; give names separated by commas")
    return list(found)
