"""Draws docs/result.png from a folder that recipes/synthetic/real_input.sh filled: result.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import soundfile
from scipy.signal import ShortTimeFFT, get_window

mpl.use("Agg")

from matplotlib import pyplot as plt

PANELS = {
    "mixture: speech and siren": "speech_and_siren.flac",
    "target: speech": "Speech.flac",
    "estimate": "speech_and_siren/Speech.wav",
}
SECONDS = 6.0


def main(folder: Path) -> None:
    """Draw the three spectrograms on one scale of colours."""
    figure, axes = plt.subplots(1, len(PANELS), figsize=(12, 3), sharey=True, layout="constrained")
    levels = {title: spectrogram(folder / name) for title, name in PANELS.items()}
    loudest = max(level.max() for level, _ in levels.values())
    for axis, (title, (level, rate)) in zip(axes, levels.items(), strict=True):
        image = axis.imshow(
            level - loudest,
            origin="lower",
            aspect="auto",
            extent=(0, SECONDS, 0, rate / 2000),
            vmin=-70,
            vmax=0,
            cmap="magma",
        )
        axis.set(title=title, xlabel="time (s)", ylim=(0, 8))
    axes[0].set_ylabel("frequency (kHz)")
    figure.colorbar(image, ax=axes, label="dB")
    figure.savefig(Path(__file__).parent / "result.png", dpi=110)


def spectrogram(path: Path) -> tuple[np.ndarray, int]:
    """Level in dB (bins, frames) of a file's first seconds, all channels together, and its rate in Hz."""
    audio, rate = soundfile.read(path, always_2d=True)
    mono = audio[: int(SECONDS * rate)].mean(1)
    transform = ShortTimeFFT(get_window("hann", 2048), 512, rate)
    return 10 * np.log10(transform.spectrogram(mono) + 1e-12), rate


if __name__ == "__main__":
    main(Path(sys.argv[1]))
