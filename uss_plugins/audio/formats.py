"""Which format an output gets, and rounding to integers as the file will hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from registry.errors import UserError

if TYPE_CHECKING:
    from uss_plugins.audio.files import AudioReader

FormatChoice = Literal["auto", "flac", "wav", "same"]
PeakChoice = Literal["clip", "scale", "float"]

INTEGER_BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
FLOATING_POINT = ("FLOAT", "DOUBLE")
FLAC_CHANNELS = 8
FLAC_RATE = 655350
FLAC_EXACT_RATE = 65535  # higher ones are written in tens of Hz
WAV_BYTES = 2**32 - 2**16  # a WAV's sizes have 32 bits; some room for its header


@dataclass(frozen=True)
class Encoding:
    """How samples are written.

    format, subtype: in libsndfile's words.
    suffix: of the file's name, with its dot.
    """

    format: str
    subtype: str
    suffix: str

    @property
    def integer_bits(self) -> int | None:
        """Bits of an integer sample; None for floating point and for lossy formats."""
        return INTEGER_BITS.get(self.subtype)

    @property
    def full_scale(self) -> float:
        """The largest value within full scale: a step under 1 for integers. The lowest is -1."""
        return 1 - 2.0 ** (1 - self.integer_bits) if self.integer_bits else 1.0

    @property
    def clips(self) -> bool:
        """Whether what is over full scale is cut off; lossy formats, too, are played as integers."""
        return self.subtype not in FLOATING_POINT


DRAFT = Encoding("RF64", "FLOAT", ".wav")
"""What is not final yet: any size, any value."""


def choose_encoding(
    source: AudioReader, choice: FormatChoice = "auto", peak: PeakChoice = "clip"
) -> Encoding:
    """The encoding of what is made from a recording: its sample depth where the format can.

    "auto" is FLAC for 16 and 24 bits and for what was lossy (then 24), WAV for 32 bits, floating point,
    and more channels or a rate that FLAC does not have. FLAC asked for by name has at most 24 bits. "same" is
    the recording's own format. 8 bits and telephone codes become 16. `peak` "float" makes it 32-bit float,
    which keeps what is over full scale. So does "clip" what is floating point anyway.

    Raises:
        UserError: the chosen format cannot hold the channels, rate or floating point asked for.
    """
    subtype = "FLOAT" if peak == "float" else _subtype_of(source)
    fits_flac = _fits_flac(source)
    if choice == "auto":
        choice = "flac" if fits_flac and subtype in ("PCM_16", "PCM_24") else "wav"
    if choice == "wav":
        return _wav(source, subtype)
    if not fits_flac and (choice == "flac" or source.format == "FLAC"):
        raise UserError(
            f"{source.path}: FLAC holds at most {FLAC_CHANNELS} channels and {FLAC_RATE} Hz (over"
            f" {FLAC_EXACT_RATE} Hz only whole tens), not {source.channels} and {source.sample_rate} Hz;"
            " choose --format wav"
        )
    if choice == "same":
        return _same_encoding(source, subtype)
    if peak == "float":
        raise UserError("FLAC holds no floating point; choose --format wav with --peak float")
    return Encoding("FLAC", subtype if subtype in ("PCM_16", "PCM_24") else "PCM_24", ".flac")


def _fits_flac(source: AudioReader) -> bool:
    rate = source.sample_rate
    fits_rate = rate <= FLAC_EXACT_RATE or (rate <= FLAC_RATE and rate % 10 == 0)
    return fits_rate and source.channels <= FLAC_CHANNELS


def _subtype_of(source: AudioReader) -> str:
    if source.subtype in INTEGER_BITS or source.subtype == "FLOAT":
        return source.subtype
    if source.subtype == "DOUBLE":
        return "FLOAT"
    lossy = source.subtype in ("VORBIS", "OPUS") or source.subtype.startswith("MPEG")
    return "PCM_24" if lossy else "PCM_16"


def _same_encoding(source: AudioReader, subtype: str) -> Encoding:
    if source.format in ("WAV", "WAVEX", "RF64"):
        return _wav(source, subtype)
    if source.format in ("OGG", "MP3") and subtype != "FLOAT":
        subtype = source.subtype
    if not soundfile.check_format(source.format, subtype):
        raise UserError(
            f"{source.path}: {source.format} cannot be written as {subtype}; choose --format wav"
        )
    return Encoding(source.format, subtype, Path(source.path).suffix or f".{source.format.lower()}")


def _wav(source: AudioReader, subtype: str) -> Encoding:
    sample_bytes = {"PCM_16": 2, "PCM_24": 3}.get(subtype, 4)
    # What comes through a pipe and does not say its length may be long, too.
    long = source.samples * source.channels * sample_bytes > WAV_BYTES or not source.samples
    return Encoding("RF64" if long else "WAV", subtype, ".wav")


def encode(
    audio: NDArray[Any], encoding: Encoding
) -> tuple[NDArray[Any], NDArray[np.float64], int]:
    """Values as libsndfile takes them, the same as a reader gets them, and how many are over full scale.

    Those are clipped, if `encoding` clips. What a lossy format makes of the others is not told.
    """
    if encoding.integer_bits:
        integers, over_samples = quantise(audio, encoding.integer_bits)
        return integers, dequantise(integers), over_samples
    values = np.asarray(audio, np.float32)
    over_samples = int(np.count_nonzero(np.abs(values) > 1))
    if encoding.clips and over_samples:
        values = np.clip(values, -1, 1)
    return values, values.astype(np.float64), over_samples


def quantise(audio: NDArray[Any], bits: int) -> tuple[NDArray[np.int32], int]:
    """Round to integers as libsndfile reads them (full scale 2^(bits-1)), clipping what is over.

    libsndfile's own rounding scales by one less when it writes than when it reads; this one does not, so what
    was read is written back bit for bit.

    Returns:
        The integers, in the upper bits of int32, which is how libsndfile takes any depth; and how many
        of them were clipped.
    """
    scaled = np.rint(np.asarray(audio, np.float64) * 2.0 ** (bits - 1))
    limit = 2 ** (bits - 1)
    clipped = int(np.count_nonzero((scaled < -limit) | (scaled > limit - 1)))
    integers = np.clip(scaled, -limit, limit - 1).astype(np.int64)
    return (integers << (32 - bits)).astype(np.int32), clipped


def dequantise(integers: NDArray[np.int32]) -> NDArray[np.float64]:
    """What a reader of `quantise`'s integers gets, exactly."""
    return integers.astype(np.float64) / 2.0**31
