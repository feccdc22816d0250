"""What was made of a recording, for a file beside its parts, for the manifest and for the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uss_plugins.audio.files import AudioFileError
from uss_plugins.files import write_text
from uss_plugins.separation.names import REPORT, input_name
from uss_plugins.separation.recording import Separation


def describe(separation: Separation) -> dict[str, Any]:
    """A separation in plain values, ready for JSON."""
    return {
        "input": input_name(separation.path),
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
        "notes": [*silence(separation), *warnings(separation)],
        "elapsed_seconds": separation.elapsed_seconds,
    }


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """Write `separation.json` into the folder of the parts, which is made if need be."""
    try:
        write_text(folder / REPORT, json.dumps(report, indent=2) + "\n")
    except OSError as error:
        raise AudioFileError(
            f"{folder / REPORT}: cannot be written ({error.strerror}); check the folder and its disk"
        ) from None


def manifest_entry(
    input_: str,
    source: Mapping[str, Any],
    output_dir: Path,
    folder: Path,
    report: Mapping[str, Any] | None,
    error: str | None = None,
) -> dict[str, Any]:
    """The manifest's line for one recording; see `uss_plugins.separation.many.manifest`."""
    parts = report["outputs"] if report else ()
    return {
        "input": input_,
        "sha256": source.get("sha256"),
        "outputs": [(folder / one["file"]).relative_to(output_dir).as_posix() for one in parts],
        "duration_seconds": report["duration_seconds"] if report else None,
        "seconds": report["elapsed_seconds"] if report else None,
        "notes": report["notes"] if report else [],
        "error": error,
    }


def warnings(separation: Separation) -> list[str]:
    """Lines about peaks over full scale, and what was done to them."""
    lines = [
        f"{output.path}: its peak of {output.peak:.2f} is over full scale, "
        + (
            f"{output.clipped_samples} values were clipped; use --peak scale or --peak float to keep them"
            if output.clipped_samples
            else "which floating point keeps, but players clip; use --peak scale to turn it down"
        )
        for output in separation.outputs
        if output.over_samples
    ]
    if separation.gain < 1:
        lines.append(
            f"{separation.path}: a part was over full scale, so all parts were multiplied by"
            f" {separation.gain:.4f}"
        )
    return lines


def silence(separation: Separation) -> list[str]:
    """A line where nothing sounded, or nothing was heard in it, so that there may be no file at all."""
    if separation.energy == 0:
        files = "its parts are silent, too" if separation.outputs else "no file was written"
        return [f"the recording is silent throughout: {files}"]
    if not separation.outputs:
        return ["nothing was heard, so no file was written; lower --threshold, or name --classes"]
    return []


def summarise(report: Mapping[str, Any], folder: Path) -> str:
    """A few lines for people, of a report."""
    lines = [
        f"{report['input']} -> {folder}"
        f" ({report['duration_seconds']:.1f} s of sound in {report['elapsed_seconds']:.1f} s)"
    ]
    for output in report["outputs"]:
        heard = output["probability"]
        said = [] if heard is None else [f"heard with probability {heard:.2f}"]
        said += ["silent"] if output["peak"] == 0 else []
        lines.append(f"  {output['file']}" + (f" ({', '.join(said)})" if said else ""))
    lines += [f"  {note}" for note in report["notes"]]
    return "\n".join(lines)
