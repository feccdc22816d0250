"""Splits of a corpus whose validation part may be held out from training."""

from __future__ import annotations

from collections.abc import Mapping

from registry.errors import UserError


def find_split(split: str, given: Mapping[str, str], hold_out: int) -> tuple[str, slice]:
    """Where in `given` (split -> file) a split is: the file's key, and which of its clips.

    hold_out: so many of the last clips of train are valid, if valid has no file of its own.

    Raises:
        UserError: the split is nowhere.
    """
    if hold_out < 0:
        raise UserError(f"hold_out={hold_out}: cannot be negative; give a number of clips, or 0")
    held_out = hold_out > 0 and "valid" not in given
    if split == "valid" and held_out and "train" in given:
        return "train", slice(-hold_out, None)
    if split not in given:
        remedy = "; or hold_out, clips of train" if split == "valid" else ""
        raise UserError(
            f"no file for split {split!r}; given: {', '.join(given) or 'none'}; give one{remedy}"
        )
    return split, slice(None, -hold_out) if split == "train" and held_out else slice(None)
