"""`uss-plugins pack` and `pack-index`: AudioSet's files in HDF5, in the released layout."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("pack")
@click.argument("segments", metavar="SEGMENTS.csv", type=click.Path(path_type=Path))
@click.option(
    "--audio-dir",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the files Y<YTID>.wav.",
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The HDF5 to make.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--sample-rate", type=click.IntRange(1), default=32000, show_default=True, help="Hz.")
@click.option(
    "--clip-seconds",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Length of every clip.",
)
def pack(
    segments: Path,
    audio_dir: Path,
    output: Path,
    jobs: int,
    sample_rate: int,
    clip_seconds: float,
) -> None:
    """Pack the files of one of AudioSet's segment CSVs into one HDF5.

    Interrupted, it goes on when run again. Does nothing if OUTPUT is there already.
    """
    from rich.console import Console
    from rich.progress import Progress

    from uss_plugins.corpora.audioset_segments import name_some
    from uss_plugins.corpora.packing import pack as run

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("packing", total=None)
        packed = run(
            segments,
            audio_dir,
            output,
            sample_rate=sample_rate,
            clip_seconds=clip_seconds,
            jobs=jobs,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    whole = packed.clips - len(packed.missing) - len(packed.unreadable)
    click.echo(f"packed: {whole} of {packed.clips} clips, {output}")
    if packed.missing:
        click.echo(f"without audio: {len(packed.missing)} ({name_some(packed.missing)})")
    for reason in packed.unreadable:
        click.echo(f"unreadable: {reason}", err=True)


@click.command("pack-index")
@click.argument(
    "parts", metavar="FILE.h5...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The index to make.")
@click.option(
    "--relative",
    is_flag=True,
    help="Paths relative to the index, so that all can be moved together.",
)
def pack_index(parts: tuple[Path, ...], output: Path, relative: bool) -> None:
    """Write the index that joins packed files: what a recipe's corpus opens."""
    from uss_plugins.corpora.pack_index import write_index

    clips, left_out = write_index(parts, output, relative=relative)
    click.echo(f"index: {clips} clips of {len(parts)} files, {left_out} without audio, {output}")
