"""What the released systems call the parameters of the networks here.

PANNs' names are kept by the query nets themselves, and those of the adaptor by the learnable strategy.
"""

from __future__ import annotations

import re

TOP = {"input_norm": "bn0", "input_conv": "pre_conv", "output_conv": "after_conv"}

UNREAD = re.compile(
    r"base\.decoder_block\d+\.bn2\.\w+|film\.decoder_block\d+->beta2\.\w+",
)
"""Keys of decoder stages that the released code makes, trains and never reads."""


def same(name: str) -> str:
    """The released name of a parameter that has the same name here."""
    return name


def released_separator_name(name: str) -> str:
    """The released system's key, without `ss_model.`, for a key of `ResUNet`.

    There the batch norms and convolutions are under `base.`, the FiLM layers under `film.` with the path of
    their site joined by `->`; a decoder stage's blocks are counted after its upsampling.
    """
    first, _, rest = name.partition(".")
    if first in TOP:
        return f"base.{TOP[first]}.{rest}"
    if first == "bottleneck":
        place = "conv_block7a"
    else:
        number, _, rest = rest.partition(".")
        place = f"{first}_block{int(number) + 1}"
    block = re.match(r"(?:stage\.)?blocks\.(\d+)\.(.*)", rest)
    if block:
        first_block = 2 if first == "decoder" else 1
        place, rest = f"{place}.conv_block{int(block[1]) + first_block}", block[2]
    rest = rest.replace("activation.", "activation1.").replace("upsample.", "conv1.")
    film = re.fullmatch(r"activation(\d)\.film\.(\w+)", rest)
    if film:
        return f"film.{place.replace('.', '->')}->beta{film[1]}.{film[2]}"
    norm = re.sub(r"activation(\d)\.norm", r"bn\1", rest)
    return f"base.{place}.{norm}"
