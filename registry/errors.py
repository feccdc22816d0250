"""The errors a user meets: each says in one line what is wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input from a person: the command line prints its one line and exits with code 2.

    Every error of this project that a user can cause derives from it. Anything else that escapes is a bug.
    """


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """A remedy for a misspelt `name`: "did you mean a, b?", or the known names where none is near."""
    names = sorted(set(known))
    by_folded_name = {candidate.casefold(): candidate for candidate in names}
    close = difflib.get_close_matches(name.casefold(), by_folded_name, n=count, cutoff=0.5)
    if close:
        return "did you mean " + ", ".join(by_folded_name[match] for match in close) + "?"
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"known: {shown}" if names else "none is known"
