"""ResUNet30 against the waveforms that the released system computed from the same weights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from parity.hashfill import fill, relative_error, uniform, waveform

from uss_plugins.separators.resunet import resunet30

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text())


def released_name(name: str) -> str:
    """The released system's key for a key of our ResUNet."""
    top = {
        "input_norm": "base.bn0",
        "input_conv": "base.pre_conv",
        "output_conv": "base.after_conv",
    }
    first, _, rest = name.partition(".")
    if first in top:
        return f"{top[first]}.{rest}"
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


@pytest.mark.parametrize("name", ["resunet30_soft", "resunet30_latent"])
def test_resunet30_gives_the_released_waveform(name: str) -> None:
    case = EXPECTED[name]
    batch, channels = case["batch"], case["channels"]
    separator = resunet30(condition_size=case["condition_size"], channels=channels)
    fill(separator, "ss_model.", released_name)
    mixture = waveform(f"{name}/mixture", batch * channels, case["samples"])
    condition = (uniform(f"{name}/condition", (batch, case["condition_size"])) + 1) / 2
    with torch.no_grad():
        estimate = separator(mixture.view(batch, channels, -1), torch.from_numpy(condition).float())
    with np.load(DATA / f"{name}.npz") as stored:
        assert relative_error(estimate, stored["waveform"]) <= 1e-5
