"""How every benchmark measures one call: its operations, its memory, its seconds."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from registry import ComponentSpec
from uss_plugins.benchmarking import measures

MOST_ROUNDS, LEAST_ROUND_SECONDS = 20, 0.01
"""A call that is shorter than a round is repeated within it."""

LAUNCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command from a process that holds little itself: what a child is born with counts as its peak."""


@dataclass(frozen=True)
class Cost:
    """What one benchmark found; `benchmarks/README.md` says how to read it. None: does not apply.

    what: the component's name, or what else was measured.
    kind, source: of the component; its distribution and version.
    parameter_count: of the component; without one, of all networks that take part.
    settings: sizes, precision and the component's own parameters, where they differ from its defaults.
    audio_seconds: length of audio that one call deals with, over all items of a batch.
    seconds: median of a call.
    giga_macs_per_second: 10**9 multiply-accumulates for one second of audio.
    real_time_factor: seconds of computing for one second of audio; below 1 is faster than real time.
    peak_memory_bytes: the most that the process held while it was measured; added_memory_bytes: how much of
        that the call asked for, over what was held before.
    figures: whatever else the benchmark counts.
    """

    what: str
    kind: str | None = None
    source: str | None = None
    parameter_count: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    audio_seconds: float | None = None
    seconds: float | None = None
    giga_macs_per_second: float | None = None
    real_time_factor: float | None = None
    peak_memory_bytes: int | None = None
    added_memory_bytes: int | None = None
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class Measure:
    """Measures a call with pytest-benchmark's fixture, and leaves the `Cost` in its `extra_info`.

    device: where the networks are; "cpu" or "cuda".
    enough_seconds: how long a call is repeated, if it takes less.
    component_parameters: what the user set of a component's parameters: kind -> name -> parameters.
    """

    benchmark: Any
    device: str
    enough_seconds: float
    component_parameters: dict[str, dict[str, dict[str, Any]]]

    def __call__(
        self,
        call: Callable[[], object],
        what: ComponentSpec | str,
        *,
        networks: Sequence[nn.Module] = (),
        audio_seconds: float | None = None,
        settings: dict[str, Any] | None = None,
        figures: dict[str, Any] | None = None,
    ) -> Cost:
        """Call `call` to count its operations, again for its memory, and then for its time.

        networks: whose parameters count; without any, operations are not counted either.
        audio_seconds, settings, figures: see `Cost`.
        """
        giga_macs = measures.giga_macs(call) if networks else None
        started = time.perf_counter()
        added = measures.added_memory_bytes(call, self.device)
        peak = measures.peak_memory_bytes(self.device)
        seconds = self._median_seconds(call, time.perf_counter() - started)
        return self.note(
            what,
            parameter_count=sum(map(measures.parameter_count, networks)) if networks else None,
            settings=settings or {},
            figures=figures or {},
            audio_seconds=audio_seconds,
            seconds=seconds,
            giga_macs_per_second=_per(giga_macs, audio_seconds),
            peak_memory_bytes=peak,
            added_memory_bytes=added,
        )

    def process(
        self,
        arguments: Sequence[str],
        what: str,
        *,
        rounds: int = 5,
        before: Callable[[], None] | None = None,
    ) -> Cost:
        """Measure a whole process, from its start to its end; memory is that process's alone.

        before: called before each run, and not timed.

        Raises:
            subprocess.CalledProcessError: it fails.
        """
        prepare = before or (lambda: None)
        prepare()
        peak = peak_of_process(arguments)
        self.benchmark.pedantic(
            lambda: subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL),
            setup=prepare,
            rounds=rounds,
        )
        return self.note(what, seconds=self.median, peak_memory_bytes=peak)

    def note(self, what: ComponentSpec | str, **found: Any) -> Cost:
        """Leave a `Cost` of what was found; the real-time factor follows from it."""
        factor = _per(found.get("seconds"), found.get("audio_seconds"))
        if isinstance(what, ComponentSpec):
            own = self.component_parameters.get(what.kind, {}).get(what.name, {})
            found["settings"] = {**found.get("settings", {}), **own}
            found |= {"kind": what.kind, "source": f"{what.distribution} {what.version}"}
            what = what.name
        cost = Cost(what, real_time_factor=factor, **found)
        self.benchmark.extra_info.update(asdict(cost))
        return cost

    def _median_seconds(self, call: Callable[[], object], expected: float) -> float | None:
        def waited() -> None:
            call()
            measures.wait_for_devices()

        self.benchmark.pedantic(
            waited,
            rounds=max(1, min(MOST_ROUNDS, int(self.enough_seconds / expected))),
            iterations=max(1, int(LEAST_ROUND_SECONDS / expected)),
        )
        return self.median

    @property
    def median(self) -> float | None:
        """Of the rounds so far, in seconds; None with --benchmark-disable."""
        stats = self.benchmark.stats
        return None if stats is None else stats.stats.median


def _per(amount: float | None, seconds: float | None) -> float | None:
    return None if amount is None or seconds is None else amount / seconds


def peak_of_process(arguments: Sequence[str]) -> int:
    """Run a process to its end, silently; the bytes of memory that it held at its peak.

    Raises:
        subprocess.CalledProcessError: it fails.
    """
    launched = [sys.executable, "-c", LAUNCHER, *arguments]
    done = subprocess.run(launched, check=True, capture_output=True, text=True)
    return int(done.stdout) * 1024  # Linux counts KiB


@contextmanager
def within_free_memory(device: str) -> Iterator[None]:
    """Have a call fail that asks for more memory than is free, so that it does not end all the others.

    Does nothing where memory is not the processor's, or outside Linux.
    """
    meminfo, status = Path("/proc/meminfo"), Path("/proc/self/status")
    if device != "cpu" or not meminfo.exists():
        yield
        return
    limits = resource.getrlimit(resource.RLIMIT_AS)
    most = _kibibytes(status, "VmSize") + _kibibytes(meminfo, "MemAvailable")
    if limits[1] != resource.RLIM_INFINITY:
        most = min(most, limits[1])
    resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _kibibytes(path: Path, field: str) -> int:
    """A field of a file of Linux's, in bytes."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024
