"""A file for libsndfile that remembers what the system refused.

libsndfile does not tell when the last bytes of a FLAC, Ogg or MP3 file cannot be written: it closes them as
if all were well. So that no broken file gets a final name, writing goes through this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class RememberingFile:
    """A new binary file whose methods never raise. `failure` is the first exception there was.

    They are called from C, where an exception would be printed and lost; an interruption by a signal, too.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self.failure: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Bytes written: all or none."""
        return self._attempt("write", data, failed=0)

    def readinto(self, buffer: Any) -> int:
        """Bytes read into `buffer`."""
        return self._attempt("readinto", buffer, failed=0)

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new place."""
        return self._attempt("seek", offset, whence, failed=-1)

    def tell(self) -> int:
        """The place."""
        return self._attempt("tell", failed=-1)

    def close(self) -> None:
        """Close; harmless when closed already. Only this raises, what was remembered or what is new."""
        try:
            self._file.close()
        except OSError as error:
            self.failure = self.failure or error
        if self.failure:
            raise self.failure

    def _attempt(self, method: str, *arguments: Any, failed: int) -> int:
        try:
            return int(getattr(self._file, method)(*arguments))
        except BaseException as error:
            self.failure = self.failure or error
            return failed
