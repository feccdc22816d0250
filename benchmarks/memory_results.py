"""What `bench_memory.py` found: of one system's recordings, the ratio of memory; a JSON of several systems.

The JSON is `{"measured": [one for each system and machine]}`, each of them with:

    query_net, separator    names of components
    parameters              of the separator, where they differ from its defaults
    model_rate              Hz
    bank                    whether the model has a query bank; if not, its query net is asked
    options                 further ones of `uss-plugins separate`
    machine                 as in every result, with the versions
    runs                    one for each recording, the shortest first: a `Run`
    memory_ratio            peak of the longest recording over that of the shortest; null of a single one

Measuring again replaces the runs of the same recordings of the same system and machine, and keeps all others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uss_plugins.files import write_text


@dataclass(frozen=True)
class Run:
    """One recording, separated once.

    minutes: its length; sounding_minutes: how much of it is not silent, None for all of it.
    seconds: of the whole process.
    real_time_factor: seconds of the whole process for one second of the recording.
    first_written_seconds: from the start of the process, its imports and the model's loading included, until
        samples of the output are on the disk.
    peak_megabytes: the most memory that the process held.
    """

    minutes: float
    sounding_minutes: float | None
    seconds: float
    real_time_factor: float
    first_written_seconds: float
    peak_megabytes: float


def record(path: Path, system: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    """Add the runs of a system to a file, which may not be there yet; gives what it now holds of that system.

    system: its query net, separator, parameters, rate, bank, options and machine.
    """
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    measured: list[dict[str, Any]] = content.get("measured", [])
    known = [one for one in measured if {name: one.get(name) for name in system} == system]
    earlier = [run for one in known for run in one["runs"]]
    joined = joined_runs(earlier, [asdict(run) for run in runs])
    found = {**system, "runs": joined, "memory_ratio": memory_ratio(joined)}
    others = [one for one in measured if one not in known]
    write_text(path, json.dumps({"measured": [*others, found]}, indent=2) + "\n")
    return found


def joined_runs(
    earlier: Sequence[dict[str, Any]], later: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """By length; of the same recording the later one."""
    by_recording = {(run["minutes"], run["sounding_minutes"]): run for run in (*earlier, *later)}
    return sorted(by_recording.values(), key=lambda run: float(run["minutes"]))


def memory_ratio(runs: Sequence[Mapping[str, Any]]) -> float | None:
    """Of runs by length: the last one's peak over the first one's."""
    if len(runs) < 2:
        return None
    return float(runs[-1]["peak_megabytes"] / runs[0]["peak_megabytes"])


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """The runs of a system, for people."""
    lines = [
        "| minutes | of which sound | seconds | real-time factor | first written, s | peak, MB |",
        "|---" * 6 + "|",
    ]
    for run in runs:
        sounding = "all" if run["sounding_minutes"] is None else f"{run['sounding_minutes']:g}"
        lines.append(
            f"| {run['minutes']:g} | {sounding} | {run['seconds']:.0f} | {run['real_time_factor']:.3f}"
            f" | {run['first_written_seconds']:.1f} | {run['peak_megabytes']:.0f} |"
        )
    return "\n".join(lines)
