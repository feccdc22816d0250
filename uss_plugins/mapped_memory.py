"""Memory of weights that stay in their file, see `uss_plugins.separation.folder.load_weights`.

A prepared network has its own kernels and reads the module's weights once. What was read of the file then
counts as this process's memory until somebody else needs it; on Linux it can be given back at once.
"""

from __future__ import annotations

import ctypes
import mmap
import re
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

MAPS = Path("/proc/self/maps")
MADV_PAGEOUT = 21  # Linux 5.4; what was changed in memory is kept, unlike with MADV_DONTNEED
FILE_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ [1-9][0-9]* +/")
"""proc(5): a line of a mapping with an inode and a path."""


def let_go(tensors: Iterable[Tensor]) -> None:
    """Give back the memory of those of some tensors that are in a file: it is read again when they are used.

    Does nothing to all others, and nothing at all outside Linux.
    """
    if not MAPS.exists():
        return
    lines = map(
        FILE_MAPPING.match, MAPS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    )
    files = [(int(line[1], 16), int(line[2], 16)) for line in lines if line]
    madvise = ctypes.CDLL(None).madvise
    for tensor in tensors:
        if tensor.device.type != "cpu" or not tensor.is_contiguous():
            continue
        first = tensor.data_ptr()
        last = first + tensor.nbytes
        if any(begin <= first and last <= end for begin, end in files):
            begin, end = -(-first // mmap.PAGESIZE), last // mmap.PAGESIZE
            if begin < end:
                pages = ctypes.c_size_t((end - begin) * mmap.PAGESIZE)
                madvise(ctypes.c_void_p(begin * mmap.PAGESIZE), pages, MADV_PAGEOUT)
