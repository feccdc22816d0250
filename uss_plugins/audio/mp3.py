"""How long an MP3 really is, and reading it to its end, where libsndfile guesses and stops at its guess.

An MP3 is frames one after another (ISO/IEC 11172-3, 2.4; 13818-3 for the lower rates), each with its size in
its header. How many there are, only a tag in the first one tells (Xing or Info). Without it libsndfile takes
all for as large as the first few; with it, it reads no further than told, though another MP3 may follow.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

HEADER_BYTES = 4
RATES = (44100, 48000, 32000)
BITRATES = {  # kbit/s by (lower rates, layer), from index 1 on
    (False, 1): range(32, 449, 32),
    (False, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (True, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (True, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
FRAMES_IN_A_ROW = 3
"""As many look like headers by chance only once in a lifetime, also in a picture."""
SEARCH_BYTES = 1 << 16
SYNC = re.compile(rb"\xff[\xe2-\xff][\x10-\xef]|ID3[\x02-\x04]")
"""How a header may begin, and an ID3 tag."""
ID3_HEADER = re.compile(rb"ID3[\x02-\x04][\x00-\xfe][\x00-\xff][\x00-\x7f]{4}", re.DOTALL)
"""ID3v2, 3.1: version, flags, a size of four times seven bits."""
ID3_HEADER_BYTES, ID3V1_BYTES = 10, 128
VBRI_OFFSET = 36
TAG_BYTES = 20
"""Of a Xing tag, what its name, flags, frames and bytes take, and the start of its table."""
FRAMES_AND_BYTES = 3
FAR = 1 << 40
"""Bytes: where a file ends that does not tell its size."""


@dataclass(frozen=True)
class Frame:
    """What a frame's header tells.

    kind: what does not change within a recording: version, layer, sample rate, whether it is mono.
    size: bytes, with the header.
    samples: per channel.
    """

    kind: tuple[int, int, int, bool]
    size: int
    samples: int


@dataclass(frozen=True)
class Mp3:
    """The frames of a file that tells less than it has, or more.

    start, end: where they are, in bytes; without a first one that holds only a tag.
    samples: of all, per channel.
    promised_samples: what the tag tells; 0 without one.
    same_samples: how many come before the sample rate or the number of channels changes; None if never.
    cut: whether the last frame is not whole.
    """

    start: int
    end: int
    samples: int
    promised_samples: int
    same_samples: int | None
    cut: bool


def find_frames(file: BinaryIO) -> Mp3 | None:
    """Count the frames of a file; None where its tag tells them, or none are found.

    A tag with the encoder's delay, too, is taken at its word if its bytes are the file's: by it, libsndfile
    takes the delay away.
    """
    file_size = file.seek(0, 2)
    start = _next_frame(file, 0, file_size)
    first = _frame_at(file, start)
    if first is None:
        return None
    tag_size, told_frames, told_bytes = _read_tag(file, start, first)
    if told_bytes and 0 <= file_size - start - told_bytes <= ID3V1_BYTES:
        return None
    found = _walk(file, start + tag_size, file_size, first, told_frames * first.samples)
    return None if found.samples in (0, found.promised_samples) else found


class FramesFile:
    """The frames of an MP3 as a file for libsndfile that reaches further than anybody can tell.

    So libsndfile reads on until there is no more. What is at its end, mpg123 reads first: no ID3 tag is.
    """

    def __init__(self, file: BinaryIO, mp3: Mp3) -> None:
        self._file, self._start, self._end = file, mp3.start, mp3.end
        self._place = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new place."""
        self._place = (0, self._place, FAR)[whence] + offset
        return self._place

    def tell(self) -> int:
        """The place."""
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Bytes read into `buffer`."""
        view = memoryview(buffer)
        if self._place >= FAR - ID3V1_BYTES:
            data = bytes(len(view))
        else:
            place = self._start + self._place
            self._file.seek(place)
            data = self._file.read(max(0, min(len(view), self._end - place)))
        view[: len(data)] = data
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file under it."""
        self._file.close()


def _read_header(header: bytes) -> Frame | None:
    """Bits: sync 11, version 2, layer 2, 1; bit rate 4, sample rate 2, padding 1, 1; channel mode 2, 6."""
    if len(header) < HEADER_BYTES or header[0] != 0xFF or header[1] < 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate_index, rate_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate_index in (0, 15) or rate_index == 3:
        return None
    lower = version != 3
    rate = RATES[rate_index] >> (0, 1, 2)[(3, 2, 0).index(version)]
    bits_per_second = 1000 * BITRATES[lower, layer][bitrate_index - 1]
    samples = 384 if layer == 1 else 576 if layer == 3 and lower else 1152
    slot = 4 if layer == 1 else 1  # sizes are whole slots of so many bytes
    size = (samples // 8 // slot * bits_per_second // rate + padding) * slot
    return Frame((version, layer, rate, header[3] >> 6 == 3), size, samples)


def _frame_at(file: BinaryIO, position: int) -> Frame | None:
    file.seek(position)
    return _read_header(file.read(HEADER_BYTES))


def _next_frame(file: BinaryIO, position: int, file_size: int) -> int:
    """Where frames go on, at `position` or after what is none; `file_size` if nowhere."""
    while position < file_size:
        file.seek(position)
        head = file.read(ID3_HEADER_BYTES)
        if ID3_HEADER.match(head):
            size = 0
            for seven_bits in head[6:]:
                size = size << 7 | seven_bits & 0x7F
            position += ID3_HEADER_BYTES + size
        elif _is_frame(file, position, file_size):
            return position
        else:
            position = _next_sync(file, position + 1, file_size)
    return file_size


def _next_sync(file: BinaryIO, position: int, file_size: int) -> int:
    while position < file_size:
        file.seek(position)
        if found := SYNC.search(file.read(SEARCH_BYTES)):
            return position + found.start()
        position += SEARCH_BYTES - 3  # one may lie across
    return file_size


def _is_frame(file: BinaryIO, position: int, file_size: int) -> bool:
    """Whether some frames of one kind are there in a row, or some up to the end of the file."""
    kind = None
    for _ in range(FRAMES_IN_A_ROW):
        frame = _frame_at(file, position)
        if frame is None or kind not in (None, frame.kind):
            return False
        kind, position = frame.kind, position + frame.size
        if position == file_size or _is_last_tag(file, position, file_size):
            return True
    return True


def _is_last_tag(file: BinaryIO, position: int, file_size: int) -> bool:
    file.seek(position)
    return file_size - position == ID3V1_BYTES and file.read(3) == b"TAG"


def _read_tag(file: BinaryIO, start: int, first: Frame) -> tuple[int, int, int]:
    """Of a tag in the first frame: that frame's size, its frames and bytes; 0 for what is not told.

    The tag comes where the side information would end; Fraunhofer's (VBRI), which libsndfile does not know,
    at a fixed place.
    """
    version, layer, _, mono = first.kind
    if layer != 3:
        return 0, 0, 0
    file.seek(start)
    frame = file.read(first.size)
    side_bytes = (9 if mono else 17) if version != 3 else (17 if mono else 32)
    checksum_bytes = 0 if frame[1] & 1 else 2
    tag = frame[HEADER_BYTES + checksum_bytes + side_bytes :]
    if tag[:4] not in (b"Xing", b"Info") or len(tag) < TAG_BYTES:
        vbri = frame[VBRI_OFFSET : VBRI_OFFSET + 4] == b"VBRI"
        return first.size if vbri else 0, 0, 0
    flags, frames, size = struct.unpack(">III", tag[4:16])
    told = flags & FRAMES_AND_BYTES == FRAMES_AND_BYTES and frames > 0
    delay = b"LAME" in tag or b"Lav" in tag
    return first.size, frames if told else 0, size if told and delay else 0


def _walk(file: BinaryIO, start: int, file_size: int, first: Frame, promised_samples: int) -> Mp3:
    kind, position, end = first.kind, start, start
    samples, same_samples = 0, None
    cut = False
    while position < file_size and not cut:
        frame = _frame_at(file, position)
        if frame is None or frame.kind != kind:
            position = _next_frame(file, position, file_size)
            frame = _frame_at(file, position)
            if frame is None:
                break
            kind = frame.kind
        if kind != first.kind and same_samples is None:
            same_samples = samples
        position += frame.size
        cut = position > file_size
        if not cut:
            end, samples = position, samples + frame.samples
    return Mp3(start, end, samples, promised_samples, same_samples, cut)
