"""Peak memory, speed and first bytes of `uss-plugins separate` on recordings of very different lengths.

A script, not a suite: an hour takes its time.

    python benchmarks/bench_memory.py --minutes 10 60 --separator resunet_small

For each length a 44.1-kHz stereo file of 16 bits is made, and one class of it separated by the installed
command in a process of its own, at the default settings. Weights are fresh: what they hold changes neither
memory nor time. The result is printed as a table and written as JSON, where `memory_ratio` is the peak of the
longest recording over that of the shortest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import yaml
from machine_and_versions import machine_and_versions
from measuring import LAUNCHER

from uss_plugins.compose import build_model, settle_sample_rate
from uss_plugins.files import write_text
from uss_plugins.recipe import parse_recipe
from uss_plugins.separation.folder import save_model

FILE_RATE = 44100
CLASSES = tuple(f"class {number}" for number in range(24))
BEGUN_BYTES = 1 << 14
"""More than any header has."""


@dataclass(frozen=True)
class Run:
    """One recording, separated once.

    first_written_seconds: from the start of the process, its imports and the model's loading included, until
        samples of the output are on the disk.
    real_time_factor: seconds of the whole process for one second of the recording.
    """

    minutes: float
    seconds: float
    real_time_factor: float
    first_written_seconds: float
    peak_megabytes: float


def make_recording(path: Path, minutes: float, sounding_minutes: float) -> None:
    """Noise that swells, and differs between the channels: at both ends, with silence between them."""
    generator = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", FILE_RATE, 2, "PCM_16") as file:
        for second in range(round(60 * minutes)):
            from_an_end = min(second, 60 * minutes - second)
            level = 0.05 + 0.2 * np.sin(second / 7) ** 2
            level *= from_an_end < 30 * sounding_minutes
            file.write(generator.uniform(-level, level, (FILE_RATE, 2)))


def make_model(folder: Path, separator: str, parameters: dict[str, Any], model_rate: int) -> None:
    """A model folder with fresh weights."""
    fit = {"steps": 1, "validate_every": 1}
    parts = {"query_net": {"name": "cnn_small"}, "embedding": {"name": "soft"}}
    recipe = parse_recipe(
        {
            "corpus": {"name": "synthetic"},
            **parts,
            "separator": {"name": separator, **parameters},
            "tagger": fit,
            "training": fit,
        },
        "benchmark",
    )
    torch.manual_seed(0)
    model = build_model(settle_sample_rate(recipe, model_rate), CLASSES, CLASSES)
    model.query_bank.copy_(torch.rand(model.query_bank.shape))
    save_model(model, folder, recipe)


def measure(model: Path, recording: Path, minutes: float, options: list[str]) -> Run:
    """Separate one class of a recording with the installed command."""
    out = recording.with_suffix("")
    script = Path(sys.executable).with_name("uss-plugins")
    command = [str(script), "separate", str(recording), "--model", str(model)]
    command += ["--classes", CLASSES[0], "--output-dir", str(out), *options]
    began = time.monotonic()
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, *command], stdout=subprocess.PIPE, text=True
    )
    first = 0.0
    while launcher.poll() is None:
        time.sleep(0.02)
        parts = [*out.rglob(".*.part"), *out.rglob("*.flac")]
        if not first and any(_size(part) > BEGUN_BYTES for part in parts):
            first = time.monotonic() - began
    seconds = time.monotonic() - began
    said, _ = launcher.communicate()
    if launcher.returncode:
        raise SystemExit(f"{' '.join(command)}: failed")
    peak_megabytes = int(said) * 1024 / 1e6  # ru_maxrss is in KiB on Linux
    return Run(minutes, seconds, seconds / (60 * minutes), first, peak_megabytes)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it has got its final name meanwhile
        return 0


def table(runs: list[Run]) -> str:
    """The runs, for people."""
    lines = [
        "| minutes | seconds | real-time factor | first written, s | peak, MB |",
        "|---" * 5 + "|",
    ]
    lines += [
        f"| {run.minutes:g} | {run.seconds:.0f} | {run.real_time_factor:.3f}"
        f" | {run.first_written_seconds:.1f} | {run.peak_megabytes:.0f} |"
        for run in runs
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure each length and say what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument(
        "--sounding-minutes",
        type=float,
        help="the rest is silent, which no model sees: an hour in a minute, through everything else",
    )
    parser.add_argument("--separator", default="resunet_small", help="name of a component")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PARAMETER=VALUE", help="of the separator"
    )
    parser.add_argument("--model-rate", type=int, default=16000, help="Hz")
    parser.add_argument("--option", action="append", default=[], help="for uss-plugins separate")
    parser.add_argument("--output", type=Path, default=Path("exp/bench/memory.json"))
    given = parser.parse_args()
    parameters = {
        name: yaml.safe_load(value) for name, _, value in (one.partition("=") for one in given.set)
    }
    runs = []
    with tempfile.TemporaryDirectory(prefix="bench_memory_") as folder:
        make_model(Path(folder, "model"), given.separator, parameters, given.model_rate)
        for minutes in sorted(given.minutes):
            recording = Path(folder, f"{minutes:g}_minutes.wav")
            make_recording(recording, minutes, given.sounding_minutes or minutes)
            runs.append(measure(Path(folder, "model"), recording, minutes, given.option))
            recording.unlink()
    peaks = [run.peak_megabytes for run in runs]
    found = {
        "separator": given.separator,
        "parameters": parameters,
        "model_rate": given.model_rate,
        "options": given.option,
        "sounding_minutes": given.sounding_minutes,
        "runs": [asdict(run) for run in runs],
        "memory_ratio": peaks[-1] / peaks[0],
        "machine": machine_and_versions(),
    }
    write_text(given.output, json.dumps(found, indent=2) + "\n")
    print(table(runs))
    print(f"memory of the longest over the shortest: {peaks[-1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
