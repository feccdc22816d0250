"""An end that was asked for, tidied up after."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = [
    one for name in ("SIGTERM", "SIGHUP") if (one := getattr(signal, name, None)) is not None
]


@contextmanager
def stops_when_told() -> Iterator[None]:
    """In the block, who ends the process by SIGTERM or closes its terminal lets it remove what is unfinished.

    As after Ctrl-C. The exit code is 128 and the signal's number, as if it had not been caught.
    """
    before = [signal.signal(one, _stop) for one in SIGNALS]
    try:
        yield
    finally:
        for one, handler in zip(SIGNALS, before, strict=True):
            signal.signal(one, handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
