"""`uss-plugins separate`: extract sounds from recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from uss_plugins.cli.separate_choice import check_choice, check_nodes_choice, make_conditions
from uss_plugins.cli.several_values import SeveralValuesCommand

if TYPE_CHECKING:
    from uss_plugins.cli.separate_files import Progress
    from uss_plugins.separation.recording import Separation

FILE = click.Path(path_type=Path)
CUDA_BATCH_SIZE = 8


@click.command("separate", cls=SeveralValuesCommand)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@click.option(
    "--model", "model_dir", metavar="MODEL_DIR", required=True, type=FILE, help="Trained model."
)
@click.option("--classes", metavar="NAME,...", help="Extract these classes: names, ids or indices.")
@click.option(
    "--query",
    "query_files",
    metavar="FILE...",
    multiple=True,
    type=FILE,
    help="Extract what sounds like these recordings.",
)
@click.option(
    "--levels",
    metavar="N...",
    multiple=True,
    type=click.IntRange(min=1),
    help="Extract every node of these levels of AudioSet's ontology that is heard; 1 is the top.",
)
@click.option(
    "--node",
    "node_names",
    metavar="NAME",
    multiple=True,
    help="Extract this node of the ontology, by name or id; may be repeated.",
)
@click.option(
    "--top", metavar="K", type=click.IntRange(min=1), help="Of each level only the K most heard."
)
@click.option(
    "--min-seconds",
    metavar="S",
    type=click.FloatRange(min=0),
    help="Drop a node's activity where it is shorter.",
)
@click.option(
    "--consistent",
    is_flag=True,
    help="Share the recording out among the nodes of a level and their residual, which is written.",
)
@click.option(
    "--first-parent", is_flag=True, help="Every node in one branch only, as the released system."
)
@click.option(
    "--plan", is_flag=True, help="Only say what would be extracted and how long it takes."
)
@click.option("--together", is_flag=True, help="One file for all of --classes, not one for each.")
@click.option(
    "--residual", is_flag=True, help="Write what is left, too: all parts add up to the recording."
)
@click.option(
    "--output-dir",
    metavar="DIR",
    default="separated",
    show_default=True,
    type=FILE,
    help="Gets a folder for each recording.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--segment-seconds", type=float, help="[default: 10; 2 with --levels and --node]")
@click.option(
    "--overlap-seconds",
    type=float,
    help="Neighbouring segments cross-fade over this.  [default: a tenth of a segment]",
)
@click.option(
    "--pad-last",
    is_flag=True,
    help="Fill the last segment with zeros, as the released system does, not with what is before it.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help=f"Segments separated at once.  [default: 1, on cuda {CUDA_BATCH_SIZE}]",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Silence where a class is less probable.  [default: 0.2; with --classes, never]",
)
@click.option(
    "--condition",
    type=click.Choice(["auto", "mask", "bank"]),
    default="auto",
    show_default=True,
    help="Describe a class by what is heard of it in each segment, or by its mean in training.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["auto", "flac", "wav", "same"]),
    default="auto",
    show_default=True,
    help="auto: FLAC, or WAV where FLAC cannot hold the recording's depth.",
)
@click.option(
    "--peak",
    type=click.Choice(["clip", "scale", "float"]),
    default="clip",
    show_default=True,
    help="Over full scale: clip, turn all parts down alike, or write 32-bit float.",
)
def separate(
    files: tuple[Path, ...],
    model_dir: Path,
    classes: str | None,
    query_files: tuple[Path, ...],
    levels: tuple[int, ...],
    node_names: tuple[str, ...],
    top: int | None,
    min_seconds: float | None,
    consistent: bool,
    first_parent: bool,
    plan: bool,
    together: bool,
    residual: bool,
    output_dir: Path,
    device: str,
    as_json: bool,
    segment_seconds: float | None,
    overlap_seconds: float | None,
    pad_last: bool,
    batch_size: int | None,
    threshold: float | None,
    condition: str,
    format_: str,
    peak: str,
) -> int:
    """Extract sounds from recordings.

    The sounds are chosen by --classes, by --query, by the ontology (--levels, --node), or else are all the
    classes that are heard. Give the recordings before --query. A recording that cannot be separated gets one
    line, and in the end the exit code is 2; the others are done.
    """
    by_nodes = bool(levels or node_names)
    check_choice(classes, query_files, together, threshold)
    check_nodes_choice(
        by_nodes,
        {
            "--classes": classes is not None,
            "--query": query_files,
            "--condition": condition != "auto",
        },
        {
            "--top": top is not None,
            "--min-seconds": min_seconds is not None,
            "--consistent": consistent,
            "--first-parent": first_parent,
            "--plan": plan,
        },
    )
    from uss_plugins.cli.evaluate import check_device
    from uss_plugins.cli.separate_files import separate_all
    from uss_plugins.separation.folder import load_model
    from uss_plugins.separation.hierarchy.walk import SEGMENT_SECONDS
    from uss_plugins.separation.recording import Settings, make_segmenter, separate_recording

    check_device(device)
    default_seconds = SEGMENT_SECONDS if by_nodes else Settings.segment_seconds
    settings = Settings(
        segment_seconds=default_seconds if segment_seconds is None else segment_seconds,
        overlap_seconds=overlap_seconds,
        batch_size=batch_size or (1 if device == "cpu" else CUDA_BATCH_SIZE),
        pad_last=pad_last,
        residual=residual or consistent,
        consistent=consistent,
        format=format_,  # type: ignore[arg-type]  # checked by click
        peak=peak,  # type: ignore[arg-type]
    )
    model = load_model(model_dir, device)
    make_segmenter(settings, model.sample_rate)
    if by_nodes:
        from uss_plugins.cli.separate_nodes import plan_nodes, separate_nodes
        from uss_plugins.separation.hierarchy.plan import Selection
        from uss_plugins.separation.queries import DETECTION_THRESHOLD

        selection = Selection(
            levels=tuple(sorted(set(levels))),
            names=node_names,
            threshold=DETECTION_THRESHOLD if threshold is None else threshold,
            top=top,
            min_seconds=min_seconds or 0.0,
            first_parent=first_parent,
        )
        if plan:
            return plan_nodes(files, model, selection, settings, as_json)
        return separate_nodes(files, model, selection, output_dir, settings, as_json)
    conditions = make_conditions(model, classes, query_files, together, threshold, condition)

    def separate_one(
        path: Path, folder: Path, progress: Progress | None
    ) -> tuple[Separation, dict[str, Path]]:
        return separate_recording(model, path, conditions, folder, settings, progress), {}

    return separate_all(files, separate_one, output_dir, as_json)
