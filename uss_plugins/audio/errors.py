"""What is wrong with a recording."""

from __future__ import annotations

from registry.errors import UserError


class AudioFileError(UserError):
    """A recording that cannot be read or written. One line: which file, what is wrong, what to do."""
