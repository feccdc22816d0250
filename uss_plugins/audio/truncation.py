"""How much is cut off a file's end, where libsndfile quietly reads what is left.

FLAC, whose decoder checks its count of samples, breaks off while being read instead. MP3: see `mp3.py`.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

STREAMED_SIZE = 0x7FFFF000
"""Writers that could not go back to fill in a size leave it at this or more (sox, ffmpeg), or at 0."""
OGG_PAGE_HEADER_BYTES = 27
OGG_LARGEST_PAGE_BYTES = 65307
OGG_LAST_PAGE = 0x04


def missing_bytes(path: Path) -> int:
    """Bytes that a WAV, AIFF or Ogg file promises and does not have; 0 if whole or another format.

    An Ogg file says only whether its last page is there, so what counts then is at least 1.
    """
    file_size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
        if magic == b"OggS":
            return _missing_from_ogg(file, file_size)
        if magic in (b"RIFF", b"RF64"):
            return max(0, _data_end(file, file_size, "<", b"data") - file_size)
        if magic == b"FORM":
            return max(0, _data_end(file, file_size, ">", b"SSND") - file_size)
    return 0


def _data_end(file: BinaryIO, file_size: int, byte_order: str, wanted: bytes) -> int:
    """Where the chunk of samples should end, by its header; 0 if unknown."""
    long_size = 0
    position = 12
    while position + 8 <= file_size:
        file.seek(position)
        name, size = struct.unpack(f"{byte_order}4sI", file.read(8))
        if name == b"ds64":  # RF64 keeps the sizes over 4 GiB here: the file's, then the data's
            long_size = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))[1]
        if name == wanted:
            if size == 0xFFFFFFFF and long_size:
                return position + 8 + int(long_size)
            unknown = size == 0 or (size >= STREAMED_SIZE and position + 8 + size > file_size)
            return 0 if unknown else position + 8 + int(size)
        position += 8 + size + size % 2
    return 0


def _missing_from_ogg(file: BinaryIO, file_size: int) -> int:
    """An Ogg page (RFC 3533): header with its flags, a table of segment sizes, the segments."""
    start = max(0, file_size - 2 * OGG_LARGEST_PAGE_BYTES)
    file.seek(start)
    tail = file.read()
    page = tail.rfind(b"OggS\0")
    header = tail[page : page + OGG_PAGE_HEADER_BYTES] if page >= 0 else b""
    if len(header) < OGG_PAGE_HEADER_BYTES:
        return 1
    sizes = tail[page + OGG_PAGE_HEADER_BYTES :][: header[26]]
    page_end = page + OGG_PAGE_HEADER_BYTES + header[26] + sum(sizes)
    if len(sizes) < header[26] or page_end > len(tail):
        return max(1, page_end - len(tail))
    return 0 if header[5] & OGG_LAST_PAGE else 1
