"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from registry import load_plugins
from uss_plugins.versions import versions


@dataclass(frozen=True)
class Machine:
    """The machine of a measurement, without its name.

    processor: the model's name. cores: logical ones that this process may use. threads: of torch.
    memory_bytes: of the whole machine; None where it is not told. accelerators: names of CUDA devices.
    """

    system: str
    processor: str
    cores: int
    threads: int
    memory_bytes: int | None
    accelerators: tuple[str, ...]

    def __str__(self) -> str:
        parts = [self.processor, f"{self.cores} cores, {self.threads} threads"]
        if self.memory_bytes:
            parts.append(f"{self.memory_bytes / 2**30:.0f} GiB")
        return ", ".join([*parts, *self.accelerators, self.system])


def this_machine() -> Machine:
    """The machine that this process runs on, as this process may use it."""
    affinity = hasattr(os, "sched_getaffinity")
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processor=processor_name(),
        cores=len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        memory_bytes=memory_size(),
        accelerators=tuple(
            torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
        ),
    )


def all_versions() -> dict[str, str]:
    """Versions of Python and the packages that results depend on, and of the plug-ins' distributions."""
    plugins = {spec.distribution: spec.version for spec in load_plugins().specs()}
    return {**versions(), **plugins}


def processor_name() -> str:
    """The processor's model."""
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory_size() -> int | None:
    """Bytes of memory of the machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
