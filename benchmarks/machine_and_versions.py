"""What a result was measured on and with, for its JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from registry import load_plugins
from uss_plugins.benchmarking.machine import this_machine
from uss_plugins.separation.precision import has_native_bf16
from uss_plugins.versions import versions


def machine_and_versions() -> dict[str, Any]:
    """The machine without its name; versions of packages and of all installed plug-ins."""
    return {
        **asdict(this_machine()),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "native_bf16": has_native_bf16(torch.device("cpu")),
        "versions": versions(),
        "plugins": sorted({str(spec.source) for spec in load_plugins().specs()}),
    }
