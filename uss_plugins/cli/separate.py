"""`uss-plugins separate`: extract sounds from recordings."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.errors import UserError

if TYPE_CHECKING:
    from uss_plugins.separation.model import UniversalSeparator
    from uss_plugins.separation.queries import Conditions
    from uss_plugins.separation.recording import Separation, Settings

FILE = click.Path(path_type=Path)
CUDA_BATCH_SIZE = 8


class QueryFilesCommand(click.Command):
    """A command whose `--query` takes all arguments up to the next option: `--query a.wav b.wav`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat `--query` before each further file, which is how click takes several."""
        spelt_out: list[str] = []
        after_query = 0
        for argument in args:
            option = argument.startswith("-") and argument != "-"
            if after_query > 1 and not option:
                spelt_out.append("--query")
            spelt_out.append(argument)
            after_query = 1 if argument == "--query" else 0 if option else after_query and 2
        return super().parse_args(ctx, spelt_out)


@click.command("separate", cls=QueryFilesCommand)
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
@click.option("--segment-seconds", type=float, default=10.0, show_default=True)
@click.option(
    "--overlap-seconds",
    type=float,
    help="Neighbouring segments cross-fade over this.  [default: a tenth of a segment]",
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
    together: bool,
    residual: bool,
    output_dir: Path,
    device: str,
    as_json: bool,
    segment_seconds: float,
    overlap_seconds: float | None,
    batch_size: int | None,
    threshold: float | None,
    condition: str,
    format_: str,
    peak: str,
) -> int:
    """Extract sounds from recordings.

    The sounds are chosen by --classes, by --query, or else are all the classes that are heard. Give the
    recordings before --query. A recording that cannot be separated gets one line, and in the end the exit
    code is 2; the others are done.
    """
    check_choice(classes, query_files, together, threshold)
    from uss_plugins.cli.evaluate import check_device
    from uss_plugins.separation.folder import load_model
    from uss_plugins.separation.recording import Settings, make_segmenter

    check_device(device)
    settings = Settings(
        segment_seconds=segment_seconds,
        overlap_seconds=overlap_seconds,
        batch_size=batch_size or (1 if device == "cpu" else CUDA_BATCH_SIZE),
        residual=residual,
        format=format_,  # type: ignore[arg-type]  # checked by click
        peak=peak,  # type: ignore[arg-type]
    )
    model = load_model(model_dir, device)
    make_segmenter(settings, model.sample_rate)
    conditions = make_conditions(model, classes, query_files, together, threshold, condition)
    return separate_all(files, model, conditions, output_dir, settings, as_json)


def check_choice(
    classes: str | None, query_files: Sequence[Path], together: bool, threshold: float | None
) -> None:
    """Refuse options that contradict each other."""
    if classes is not None and query_files:
        raise UserError("--classes and --query both say what to extract; give one of them")
    if together and classes is None:
        raise UserError("--together joins the classes of --classes; name them")
    if threshold is not None and query_files:
        raise UserError("--threshold is about classes, and --query has none; leave it out")


def make_conditions(
    model: UniversalSeparator,
    classes: str | None,
    query_files: Sequence[Path],
    together: bool,
    threshold: float | None,
    condition: Any,
) -> Conditions:
    """The query that the options describe."""
    from uss_plugins.separation.queries import classes_query, detected_query
    from uss_plugins.separation.query_audio import audio_query

    if query_files:
        return audio_query(model, query_files)
    if classes is None:
        return detected_query(model, threshold=threshold, condition=condition)
    return classes_query(
        model, classes, together=together, threshold=threshold, condition=condition
    )


def separate_all(
    files: Sequence[Path],
    model: UniversalSeparator,
    conditions: Conditions,
    output_dir: Path,
    settings: Settings,
    as_json: bool,
) -> int:
    """Separate one recording after the other and say what was made; the exit code."""
    from uss_plugins.separation.names import output_folder
    from uss_plugins.separation.report import describe, summarise, warnings

    taken: set[str] = set()
    results: list[dict[str, Any]] = []
    for path in dict.fromkeys(files):
        try:
            folder = output_folder(output_dir, path, taken)
            separation = separate_one(path, model, conditions, folder, settings)
        except UserError as error:
            click.echo(f"error: {error}", err=True)
            results.append({"input": str(path.resolve()), "error": str(error)})
            continue
        for warning in warnings(separation):
            click.echo(f"warning: {warning}", err=True)
        results.append({**describe(separation), "folder": str(folder.resolve())})
        if not as_json:
            click.echo(summarise(separation, folder))
    if as_json:
        click.echo(json.dumps({"recordings": results}, indent=2))
    return 2 if any("error" in result for result in results) else 0


def separate_one(
    path: Path, model: UniversalSeparator, conditions: Conditions, folder: Path, settings: Settings
) -> Separation:
    """Separate a recording and write its report, with a progress bar if somebody watches."""
    from uss_plugins.separation.recording import separate_recording
    from uss_plugins.separation.report import write_report

    with progress_bar(path) as progress:
        separation = separate_recording(model, path, conditions, folder, settings, progress)
    write_report(separation, folder)
    return separation


@contextmanager
def progress_bar(path: Path) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error that takes samples done and samples in all; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=path.name, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(done, total)
            bar.update(done - bar.pos)

        yield show
