"""Freed memory stays within the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from uss_plugins.training.memory import keep_freed_memory

def faults():
    # Whatever was freed before is asked for again: 64 MiB in blocks that glibc would map anew.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

plain = faults()
assert keep_freed_memory()
faults()
print(plain, faults())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back at once"
)
def test_blocks_that_are_freed_are_used_again_without_page_faults() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    plain, kept = map(int, done.stdout.split())
    assert kept < plain / 10
