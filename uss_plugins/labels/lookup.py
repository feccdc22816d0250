"""Resolve what a person typed to one of a list of classes."""

from __future__ import annotations

from collections.abc import Sequence

from registry.errors import UserError, nearest


class UnknownClassError(UserError):
    """A class that is not there, or a text that could mean several."""


def find_in(names: Sequence[str], ids: Sequence[str], text: str) -> int:
    """Index of the class that `text` means: its name, its id or its index, in any case.

    A name's part before its first comma will do where only one name starts so: "violin" finds
    "Violin, fiddle". The whole name wins over the id, the id over the index, the index over the
    part.

    Args:
        names: the known names, in class order.
        ids: their ids in the same order; empty if the classes have none.
        text: what was typed.

    Raises:
        UnknownClassError: nothing, or more than one class, answers to `text`.
    """
    wanted = text.strip().casefold()
    for known in (names, ids):
        matches = [index for index, one in enumerate(known) if wanted and one.casefold() == wanted]
        if matches:
            return _only(matches, names, text)
    if wanted.isdecimal():
        if int(wanted) >= len(names):
            raise UnknownClassError(f"no class {text!r}: indices go from 0 to {len(names) - 1}")
        return int(wanted)
    heads = [name.split(",")[0].casefold() for name in names]
    matches = [index for index, head in enumerate(heads) if wanted and head == wanted]
    if not matches:
        raise UnknownClassError(f"no class {text!r}: {nearest(text.strip(), names)}")
    return _only(matches, names, text)


def _only(matches: list[int], names: Sequence[str], text: str) -> int:
    if len(matches) > 1:
        shown = "; ".join(f"{names[index]} (index {index})" for index in matches)
        raise UnknownClassError(
            f"class {text!r} could be any of: {shown}; give the index or full name"
        )
    return matches[0]
