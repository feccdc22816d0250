"""The options of the verb `separate`: a dataclass that holds them all, and how click reads them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
CUDA_BATCH_SIZE = 8
NOT_OF_RESULTS = (
    *("model_dir", "query_files", "not_query_files", "output_dir", "as_json", "plan"),
    *("device", "batch_size", "jobs", "overwrite"),
)
"""Options that do not change what is made of a recording, or by their files' content only."""


@dataclass(frozen=True)
class SeparateOptions:
    """What `separate` is told besides the recordings; plain values, so that it can go to other processes."""

    model_dir: Path
    classes: str | None
    query_files: tuple[Path, ...]
    texts: tuple[str, ...]
    not_query_files: tuple[Path, ...]
    not_texts: tuple[str, ...]
    together: bool
    threshold: float | None
    condition: str
    levels: tuple[int, ...]
    node_names: tuple[str, ...]
    top: int | None
    min_seconds: float | None
    consistent: bool
    first_parent: bool
    plan: bool
    segment_seconds: float | None
    overlap_seconds: float | None
    pad_last: bool
    channels: str
    residual: bool
    output_dir: Path
    format_: str
    peak: str
    overwrite: bool
    device: str
    precision: str
    batch_size: int | None
    jobs: int
    as_json: bool

    @property
    def by_nodes(self) -> bool:
        """Whether nodes of the ontology are asked for."""
        return bool(self.levels or self.node_names)


class FiniteRange(click.FloatRange):
    """A number within a range, and a number: `nan` and `inf` are refused."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The number, or click's own error of one line."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def precision_option(default: str) -> Callable[[Command], Command]:
    """What the separator computes in."""
    return click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16"]),
        default=default,
        show_default=True,
        help="Of the separator; auto: bf16 where the device has it natively, which is twice as fast.",
    )


def query_options(command: Command) -> Command:
    """What to extract, by class, by example or by text, and what not."""
    return _add(
        command,
        click.option(
            "--classes", metavar="NAME,...", help="Extract these classes: names, ids or indices."
        ),
        click.option(
            "--query",
            "query_files",
            metavar="FILE...",
            multiple=True,
            type=FILE,
            help="Extract what sounds like these recordings.",
        ),
        click.option(
            "--text",
            "texts",
            metavar="TEXT",
            multiple=True,
            help="Extract what this says, by a model whose query net reads; may be repeated.",
        ),
        click.option(
            "--not-query",
            "not_query_files",
            metavar="FILE...",
            multiple=True,
            type=FILE,
            help="But not what sounds like these recordings.",
        ),
        click.option(
            "--not-text",
            "not_texts",
            metavar="TEXT",
            multiple=True,
            help="But not what this says; may be repeated.",
        ),
        click.option(
            "--together",
            is_flag=True,
            help="One file for all of --classes or --text, not one for each.",
        ),
        click.option(
            "--threshold",
            type=FiniteRange(0, 1),
            help="Silence where a class is less probable; 0 only says how probable.  [default: 0.2; with"
            " --classes, never]",
        ),
        click.option(
            "--condition",
            type=click.Choice(["auto", "mask", "bank"]),
            default="auto",
            show_default=True,
            help="Describe a class by what is heard of it in each segment, or by its mean in training.",
        ),
    )


def ontology_options(command: Command) -> Command:
    """What to extract, by nodes of the ontology."""
    return _add(
        command,
        click.option(
            "--levels",
            metavar="N...",
            multiple=True,
            type=click.IntRange(min=1),
            help="Extract every node of these levels of AudioSet's ontology that is heard; 1 is the top.",
        ),
        click.option(
            "--node",
            "node_names",
            metavar="NAME",
            multiple=True,
            help="Extract this node of the ontology, by name or id; may be repeated.",
        ),
        click.option(
            "--top",
            metavar="K",
            type=click.IntRange(min=1),
            help="Of each level only the K most heard.",
        ),
        click.option(
            "--min-seconds",
            metavar="S",
            type=FiniteRange(min=0),
            help="Drop a node's activity where it is shorter.",
        ),
        click.option(
            "--consistent",
            is_flag=True,
            help="Share the recording out among the nodes of a level and their residual, which is written.",
        ),
        click.option(
            "--first-parent",
            is_flag=True,
            help="Every node in one branch only, as the released system.",
        ),
        click.option(
            "--plan", is_flag=True, help="Only say what would be extracted and how long it takes."
        ),
    )


def segment_options(command: Command) -> Command:
    """How a recording is cut into what the model sees."""
    return _add(
        command,
        click.option(
            "--segment-seconds", type=float, help="[default: 10.23; 2 with --levels and --node]"
        ),
        click.option(
            "--overlap-seconds",
            type=float,
            help="Neighbouring segments cross-fade over this; 0 cuts hard and implies --pad-last."
            "  [default: a tenth of a segment, at most 0.5]",
        ),
        click.option(
            "--pad-last",
            is_flag=True,
            help="Fill the last segment with zeros, as the released system does, not with what is"
            " before it.",
        ),
        click.option(
            "--channels",
            type=click.Choice(["shared", "independent"]),
            default="shared",
            show_default=True,
            help="Listen to all channels together, for one condition, or to each for its own.",
        ),
    )


def output_options(command: Command) -> Command:
    """What is written, where and how."""
    return _add(
        command,
        click.option(
            "--residual",
            is_flag=True,
            help="Write what is left, too: all parts add up to the recording.",
        ),
        click.option(
            "--output-dir",
            metavar="DIR",
            type=FILE,
            help="Gets a folder for each recording; `-` is standard output."
            "  [default: separated; with `-` as the recording, `-`]",
        ),
        click.option(
            "--overwrite", is_flag=True, help="Separate again what an earlier run has finished."
        ),
        click.option(
            "--format",
            "format_",
            type=click.Choice(["auto", "flac", "wav", "same"]),
            default="auto",
            show_default=True,
            help="auto: FLAC, or WAV where FLAC cannot hold the recording's depth.",
        ),
        click.option(
            "--peak",
            type=click.Choice(["clip", "scale", "float"]),
            default="clip",
            show_default=True,
            help="Over full scale: clip, except where the format is floating point, which keeps it; turn all"
            " parts down alike, in any format; or write 32-bit float, to keep it. It is always said.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the results as JSON."),
    )


def machine_options(command: Command) -> Command:
    """Where it is computed."""
    return _add(
        command,
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N."),
        precision_option("auto"),
        click.option(
            "--batch-size",
            type=click.IntRange(min=1),
            help=f"Segments separated at once.  [default: 1, on cuda {CUDA_BATCH_SIZE}]",
        ),
        click.option(
            "--jobs",
            metavar="N",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Recordings separated at once, each by a process; cuda takes all GPUs in turn.",
        ),
    )


def _add(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):  # click lists first what decorates last
        command = option(command)
    return command
