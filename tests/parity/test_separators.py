"""ResUNet30 against the waveforms that the released system computed from the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from parity.hashfill import fill, relative_error, uniform, waveform

from uss_plugins.separation.importing.names import released_separator_name
from uss_plugins.separators.resunet import resunet30

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text())


@pytest.mark.parametrize("name", ["resunet30_soft", "resunet30_latent"])
def test_resunet30_gives_the_released_waveform(name: str) -> None:
    case = EXPECTED[name]
    batch, channels = case["batch"], case["channels"]
    separator = resunet30(condition_size=case["condition_size"], channels=channels)
    fill(separator, "ss_model.", released_separator_name)
    mixture = waveform(f"{name}/mixture", batch * channels, case["samples"])
    condition = (uniform(f"{name}/condition", (batch, case["condition_size"])) + 1) / 2
    with torch.no_grad():
        estimate = separator(mixture.view(batch, channels, -1), torch.from_numpy(condition).float())
    with np.load(DATA / f"{name}.npz") as stored:
        assert relative_error(estimate, stored["waveform"]) <= 1e-5
