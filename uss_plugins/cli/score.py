"""`uss-plugins score`: how near an estimate is to a reference that one has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@click.command("score")
@click.argument("mixture", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("estimate", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def score(mixture: Path, reference: Path, estimate: Path, as_json: bool) -> None:
    """Score the file ESTIMATE against REFERENCE, as separated from MIXTURE.

    All three must have one rate, number of channels and length. SDR over all channels together.
    """
    from uss_plugins.evaluation import metrics

    heard = [read_flat(path) for path in (mixture, reference, estimate)]
    rates = {rate for _, rate, _ in heard}
    shapes = {shape for _, _, shape in heard}
    if len(rates) > 1 or len(shapes) > 1:
        found = "; ".join(
            f"{path.name}: {rate} Hz, {shape[0]} channels, {shape[1]} samples"
            for path, (_, rate, shape) in zip((mixture, reference, estimate), heard, strict=True)
        )
        raise UserError(f"the three files differ ({found}); compare files of one rate and length")
    mixed, wanted, got = (audio for audio, _, _ in heard)
    figures = {
        "sdr_db": float(metrics.sdr(got, wanted)),
        "sdri_db": float(metrics.sdr_improvement(got, wanted, mixed)),
        "si_sdr_db": float(metrics.si_sdr(got, wanted)),
        "si_sdri_db": float(metrics.si_sdr_improvement(got, wanted, mixed)),
    }
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo(
        f"{estimate}: SDR {figures['sdr_db']:.2f} dB, SDRi {figures['sdri_db']:.2f} dB,"
        f" SI-SDR {figures['si_sdr_db']:.2f} dB, SI-SDRi {figures['si_sdri_db']:.2f} dB"
    )


def read_flat(path: Path) -> tuple[Tensor, int, tuple[int, int]]:
    """A file's samples of all channels in one row (1, channels * samples), its rate and its shape."""
    import numpy as np
    import torch

    from uss_plugins.audio.files import AudioReader

    with AudioReader(path) as reader:
        audio = np.concatenate(list(reader.blocks()), axis=1)
    return (
        torch.from_numpy(audio).reshape(1, -1),
        reader.sample_rate,
        (audio.shape[0], audio.shape[1]),
    )
