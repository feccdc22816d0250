"""Seams of a network that sees beyond a sample: its segments differ from one long pass near their ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch
from band_models import CLASS_NAMES, RATE, band_model
from numpy.typing import NDArray

from uss_plugins.separation.queries import FixedConditions
from uss_plugins.separation.recording import Settings, separate_recording
from uss_plugins.separators.resunet import ResUNet, resunet_small

SEGMENT_SAMPLES, SEAMS = 3200, 6
CONDITION = torch.tensor([1.0, 0, 1, 0])


def net() -> ResUNet:
    torch.manual_seed(3)
    return resunet_small(
        condition_size=len(CLASS_NAMES),
        sample_rate=RATE,
        stage_channels=(8, 16),
        window_size=256,
        hop_size=64,
    ).eval()


def tones(samples: int) -> NDArray[np.float32]:
    """Two steady tones and one that rises: smooth, so that a click stands out."""
    times = np.arange(samples) / RATE
    phases = (300 * times, (500 + 200 * times) * times, 97 * times)
    return np.sum([0.2 * np.sin(2 * np.pi * one) for one in phases], axis=0).astype(np.float32)


def steps(folder: Path, overlap_samples: int) -> tuple[float, float]:
    """The difference to one long pass: its largest change from sample to sample, at seams and elsewhere."""
    hop = SEGMENT_SAMPLES - overlap_samples
    audio = tones(SEGMENT_SAMPLES + SEAMS * hop)
    soundfile.write(folder / "in.wav", audio, RATE, subtype="FLOAT")
    separator = net()
    made = separate_recording(
        band_model(separator),  # type: ignore[arg-type]
        folder / "in.wav",
        FixedConditions({"all": CONDITION}),
        folder / f"out {overlap_samples}",
        Settings(SEGMENT_SAMPLES / RATE, overlap_samples / RATE),
    )
    with torch.no_grad():
        long = separator(torch.from_numpy(audio)[None, None], CONDITION[None])[0, 0].numpy()
    change = np.abs(np.diff(soundfile.read(made.outputs[0].path)[0] - long))
    at_seam = np.zeros(change.shape, bool)
    for start in range(hop, 1 + SEAMS * hop, hop):
        at_seam[start - 2 : start + overlap_samples + 2] = True
    return float(change[at_seam].max()), float(change[~at_seam].max())


def test_an_overlap_leaves_no_step_at_a_seam(tmp_path: Path) -> None:
    """Segments that begin with a frame of the long pass's lowest stage agree with it but for their ends.

    Any other overlap moves that stage's frames, and everything differs a little: seams no more than the rest.
    """
    cut, beside_cuts = steps(tmp_path, 0)
    assert cut > 3 * beside_cuts
    faded, _ = steps(tmp_path, 640)
    assert faded < cut / 50
    shifted, beside_shifted = steps(tmp_path, 320)
    assert shifted < cut / 10
    assert shifted < 1.5 * beside_shifted
