"""How much faster the prepared separator is than the plainest form of the paper's system, in one run.

    python benchmarks/separation_speed.py [--model MODEL_DIR] [--output DIR] [--rows NAME,...] [--device cuda]

Each row is measured in a process of its own, one after the other, and both sides in turns there, so that they
meet the same machine. Two differ: the sides of a training step have a process each, and the walk's are timed
one after the other, in part. `SEPARATION_SPEED.md` says what each row is. Prints the table, and writes it as
`separation_speed.json` and `separation_speed.md`, or, of a GPU, as `separation_speed_cuda.json` and `.md`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from machine_and_versions import machine_and_versions
from speed.compiling import compile_row
from speed.quality import quality_row
from speed.recordings import default_row, walk_row
from speed.segments import segment_row
from speed.table import table
from speed.timing import use_device
from speed.training import training_row

Row = Callable[[torch.device], dict[str, Any]]

ROWS: dict[str, Row] = {
    "fp32": partial(segment_row, torch.float32),
    "bf16": partial(segment_row, torch.bfloat16),
    "default": partial(default_row, bank=True),
    "default_without_bank": partial(default_row, bank=False),
    "walk": walk_row,
    "training_plain": partial(training_row, mine=False),
    "training": partial(training_row, mine=True),
}
FURTHER_ROWS: dict[str, Row] = {"compile": compile_row}
"""Measured where `--rows` names them."""


def run_row(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure a row in a process of its own."""
    command = [*shlex.split(options.runner), sys.executable, __file__, "--only", name]
    command += ["--device", str(options.device)]
    command += ["--model", options.model] if options.model else []
    print(f"measuring: {name}", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def write_results(folder: Path, found: Mapping[str, Any], device: torch.device) -> None:
    """The rows with the machine as JSON, and the table."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        "machine": machine_and_versions(),
        "threads": torch.get_num_threads(),
        "rows": found,
    }
    name = "separation_speed" + ("" if device.type == "cpu" else f"_{device.type}")
    (folder / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n")
    (folder / f"{name}.md").write_text(table(found) + "\n")


def read_options() -> argparse.Namespace:
    """Of the command line; ends the process with a line of usage where they are wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", help="a trained model's folder: what bf16 costs in SDRi")
    parser.add_argument("--output", type=Path, help="folder for the JSON and the Markdown")
    parser.add_argument("--rows", default=",".join(ROWS), help="which to measure (%(default)s)")
    parser.add_argument("--runner", default="", help="a command to run each row's process by")
    parser.add_argument("--device", type=torch.device, default="cpu", help="cpu or cuda")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    known = {**ROWS, **FURTHER_ROWS}
    for name in options.rows.split(","):
        if name not in known:
            parser.error(f"--rows: there is no {name!r}; give some of {', '.join(known)}")
    return options


def main() -> None:
    """See the module."""
    options = read_options()
    use_device(options.device)
    if options.only == "quality":
        print(json.dumps(quality_row(options.model, options.device)))
    elif options.only:
        print(json.dumps({**ROWS, **FURTHER_ROWS}[options.only](options.device)))
    else:
        names = options.rows.split(",") + (["quality"] if options.model else [])
        found = {name: run_row(name, options) for name in names}
        print(table(found))
        if options.output is not None:
            write_results(options.output, found, options.device)


if __name__ == "__main__":
    main()
