"""What was made of a recording, for a file beside its parts and for the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from uss_plugins.audio.files import AudioFileError
from uss_plugins.files import write_text
from uss_plugins.separation.names import REPORT
from uss_plugins.separation.recording import Separation


def describe(separation: Separation) -> dict[str, Any]:
    """A separation in plain values, ready for JSON."""
    return {
        "input": str(separation.path.resolve()),
        "sample_rate": separation.sample_rate,
        "channels": separation.channels,
        "samples": separation.samples,
        "duration_seconds": separation.samples / separation.sample_rate,
        "outputs": [
            {
                "name": output.name,
                "file": output.path.relative_to(separation.folder).as_posix(),
                "classes": list(separation.classes.get(output.name, ()))
                if not output.residual
                else [],
                "probability": separation.probabilities.get(output.name),
                "peak": output.peak,
                "clipped_samples": output.clipped_samples,
            }
            for output in separation.outputs
        ],
        "gain": separation.gain,
        "elapsed_seconds": separation.elapsed_seconds,
    }


def write_report(separation: Separation, folder: Path) -> None:
    """Write `separation.json` into the folder of the parts, which is made if need be."""
    try:
        write_text(folder / REPORT, json.dumps(describe(separation), indent=2) + "\n")
    except OSError as error:
        raise AudioFileError(
            f"{folder / REPORT}: cannot be written ({error.strerror}); check the folder and its disk"
        ) from None


def warnings(separation: Separation) -> list[str]:
    """Lines about what was done to peaks over full scale."""
    lines = [
        f"{output.path}: its peak of {output.peak:.2f} is over full scale, {output.clipped_samples}"
        " values were clipped; use --peak scale or --peak float to keep them"
        for output in separation.outputs
        if output.clipped_samples
    ]
    if separation.gain < 1:
        lines.append(
            f"{separation.path}: a part was over full scale, so all parts were multiplied by"
            f" {separation.gain:.4f}"
        )
    return lines


def summarise(separation: Separation, folder: Path) -> str:
    """A few lines for people."""
    seconds = separation.samples / separation.sample_rate
    lines = [
        f"{separation.path} -> {folder}"
        f" ({seconds:.1f} s of sound in {separation.elapsed_seconds:.1f} s)"
    ]
    for output in separation.outputs:
        heard = separation.probabilities.get(output.name)
        silent = ", silent" if output.peak == 0 else ""
        note = "" if heard is None else f" (heard with probability {heard:.2f}{silent})"
        lines.append(f"  {output.path.relative_to(folder).as_posix()}{note}")
    if not separation.outputs:
        lines.append("  nothing was heard; lower --threshold, or name --classes")
    return "\n".join(lines)
