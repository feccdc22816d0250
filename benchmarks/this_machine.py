"""What a result was measured on and with, for its JSON."""

from __future__ import annotations

import os
import platform
from typing import Any

import cpuinfo
import torch

from registry import load_plugins
from uss_plugins.separation.precision import has_native_bf16
from uss_plugins.versions import versions


def this_machine() -> dict[str, Any]:
    """Processor, memory, accelerators, threads; versions of packages and of all installed plug-ins."""
    plugins = load_plugins()
    return {
        "processor": cpuinfo.get_cpu_info().get("brand_raw", platform.processor()),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "native_bf16": has_native_bf16(torch.device("cpu")),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "accelerators": [
            torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
        ],
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
        "plugins": sorted({str(spec.source) for spec in plugins.specs()}),
    }
