"""Recordings for a page: players that carry their sound, and the spectrogram of a file of any length."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from uss_plugins.audio.files import AudioReader
from uss_plugins.audio.resampling import StreamingResampler
from uss_plugins.reporting.figures import pooled_levels

MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
WINDOW_SECONDS = 0.032
WINDOWS_PER_COLUMN = 8


def mp3_uri(path: Path, gain: float) -> str:
    """A recording times `gain` as an MP3 in a data URI; more than two channels are mixed to one."""
    file = io.BytesIO()
    with AudioReader(path) as reader:
        channels = reader.channels if reader.channels <= 2 else 1
        rate = reader.sample_rate if reader.sample_rate in MP3_RATES else 44100
        resampler = StreamingResampler(reader.sample_rate, rate, channels)
        with soundfile.SoundFile(
            file, "w", rate, channels, format="MP3", subtype="MPEG_LAYER_III"
        ) as player:
            for block in reader.blocks():
                mixed = block if channels == reader.channels else block.mean(axis=0, keepdims=True)
                player.write(resampler.push(gain * mixed).T)
            player.write(resampler.finish().T)
    return "data:audio/mpeg;base64," + base64.b64encode(file.getvalue()).decode()


def flac_uri(audio: NDArray[np.float32], sample_rate: int) -> str:
    """Audio (samples,) within full scale as 16-bit FLAC, which browsers play, in a data URI."""
    file = io.BytesIO()
    soundfile.write(file, audio, sample_rate, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(file.getvalue()).decode()


def file_levels(path: Path, columns: int = 400, rows: int = 96) -> NDArray[np.float64]:
    """Power spectrogram (rows, at most columns) of a recording in dB, lowest frequency first.

    Each column is the mean of a few windows from its part of the recording, so that an hour takes no more
    time or memory than a minute.
    """
    with soundfile.SoundFile(path) as file:
        window_size = 2 ** max(4, round(np.log2(WINDOW_SECONDS * file.samplerate)))
        columns = max(1, min(columns, file.frames // (window_size // 4)))
        column_samples = file.frames // columns
        size = max(window_size, min(column_samples, WINDOWS_PER_COLUMN * window_size // 2))
        power = []
        for column in range(columns):
            file.seek(column * column_samples)
            audio = file.read(size, dtype="float32", always_2d=True).mean(axis=1)
            power.append(_mean_power(audio, window_size))
    return pooled_levels(np.stack(power, axis=1), rows)


def _mean_power(audio: NDArray[np.float32], window_size: int) -> NDArray[np.float64]:
    audio = np.pad(audio, (0, max(0, window_size - len(audio))))
    windows = np.lib.stride_tricks.sliding_window_view(audio, window_size)[:: window_size // 2]
    spectra = np.fft.rfft(windows * np.hanning(window_size), axis=1)
    power: NDArray[np.float64] = np.square(np.abs(spectra)).mean(axis=0)
    return power
