"""Peak memory, speed and first bytes of `uss-plugins separate` on recordings of very different lengths.

A script, not a suite: an hour takes its time.

    python benchmarks/bench_memory.py --minutes 10 60 --separator resunet_small

For each length a 44.1-kHz stereo file of 16 bits is made, and one class of it separated by the installed
command in a process of its own, at the default settings. Weights are fresh: what they hold changes neither
memory nor time. The result is printed as a table and added to a JSON, see `memory_results.py`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import yaml
from machine_and_versions import machine_and_versions
from measuring import LAUNCHER
from memory_results import Run, record, table

from uss_plugins.compose import build_model, settle_sample_rate
from uss_plugins.recipe import parse_recipe
from uss_plugins.separation.folder import save_model

FILE_RATE = 44100
CLASSES = tuple(f"class {number}" for number in range(24))
BEGUN_BYTES = 1 << 14
"""More than any header has."""


def make_recording(path: Path, minutes: float, sounding_minutes: float | None) -> None:
    """Noise that swells, and differs between the channels: at both ends, with silence between them."""
    sounding_minutes = minutes if sounding_minutes is None else sounding_minutes
    generator = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", FILE_RATE, 2, "PCM_16") as file:
        for second in range(round(60 * minutes)):
            from_an_end = min(second, 60 * minutes - second)
            level = 0.05 + 0.2 * np.sin(second / 7) ** 2
            level *= from_an_end < 30 * sounding_minutes
            file.write(generator.uniform(-level, level, (FILE_RATE, 2)))


def make_model(folder: Path, system: Mapping[str, Any]) -> None:
    """A model folder with fresh weights."""
    fit = {"steps": 1, "validate_every": 1}
    recipe = parse_recipe(
        {
            "corpus": {"name": "synthetic"},
            "query_net": {"name": system["query_net"]},
            "embedding": {"name": "soft"},
            "separator": {"name": system["separator"], **system["parameters"]},
            "tagger": fit,
            "training": fit,
        },
        "benchmark",
    )
    torch.manual_seed(0)
    model = build_model(settle_sample_rate(recipe, system["model_rate"]), CLASSES, CLASSES)
    if system["bank"]:
        model.query_bank.copy_(torch.rand(model.query_bank.shape))
    save_model(model, folder, recipe)


def measure(
    model: Path, recording: Path, bank: bool, options: list[str]
) -> tuple[float, float, float]:
    """Separate one class of a recording with the installed command.

    Gives its seconds, those until the first samples are on the disk, and its peak memory in MB.
    """
    out = recording.with_suffix("")
    script = Path(sys.executable).with_name("uss-plugins")
    command = [str(script), "separate", str(recording), "--model", str(model)]
    command += ["--classes", CLASSES[0], "--output-dir", str(out), *options]
    if not bank:
        command += ["--threshold", "0"]  # what an untrained query net hears may be over no other
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
    return seconds, first, int(said) * 1024 / 1e6  # ru_maxrss is in KiB on Linux


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it has got its final name meanwhile
        return 0


def read_options() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument(
        "--sounding-minutes",
        type=float,
        help="the rest is silent, which no model sees: an hour in a minute, through everything else",
    )
    parser.add_argument("--query-net", default="cnn_small", help="name of a component")
    parser.add_argument("--separator", default="resunet_small", help="name of a component")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PARAMETER=VALUE", help="of the separator"
    )
    parser.add_argument(
        "--no-bank",
        dest="bank",
        action="store_false",
        help="as imported weights are, without a query bank: the query net is asked for the condition",
    )
    parser.add_argument("--model-rate", type=int, default=16000, help="Hz")
    parser.add_argument("--option", action="append", default=[], help="for uss-plugins separate")
    parser.add_argument("--output", type=Path, default=Path("exp/bench/memory.json"))
    return parser.parse_args()


def main() -> None:
    """Measure each length and say what was found."""
    given = read_options()
    values = (one.partition("=") for one in given.set)
    system = {
        "query_net": given.query_net,
        "separator": given.separator,
        "parameters": {name: yaml.safe_load(value) for name, _, value in values},
        "model_rate": given.model_rate,
        "bank": given.bank,
        "options": given.option,
        "machine": machine_and_versions(),
    }
    with tempfile.TemporaryDirectory(prefix="bench_memory_") as folder:
        model, runs = Path(folder, "model"), []
        make_model(model, system)
        for minutes in given.minutes:
            recording = Path(folder, f"{minutes:g}_minutes.wav")
            make_recording(recording, minutes, given.sounding_minutes)
            seconds, first, peak = measure(model, recording, given.bank, given.option)
            factor = seconds / (60 * minutes)
            recording.unlink()
            runs.append(Run(minutes, given.sounding_minutes, seconds, factor, first, peak))
    found = record(given.output, system, runs)
    print(table(found["runs"]))
    if found["memory_ratio"] is not None:
        print(f"memory of the longest over the shortest: {found['memory_ratio']:.3f}")


if __name__ == "__main__":
    main()
