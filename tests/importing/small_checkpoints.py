"""Checkpoints in the released layout, small enough to make by the dozen, and the recipe that they fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
import yaml
from parity.released_checkpoint import hann, istft_kernel, mel_kernel, stft_kernel
from torch import Tensor, nn

from uss_plugins.compose import build_model
from uss_plugins.labels.audioset import classes
from uss_plugins.recipe import parse_recipe
from uss_plugins.separation.importing.names import released_separator_name
from uss_plugins.separation.model import UniversalSeparator

NAMES = tuple(one.name for one in classes())
IDS = tuple(one.machine_id for one in classes())
CHANNELS = [2, 3, 2, 3, 2, 4]
RECIPE: dict[str, Any] = {
    "corpus": {"name": "manifest"},
    "query_net": {
        "name": "cnn_small",
        "sample_rate": 32000,
        "channels": CHANNELS,
        "embedding_size": 5,
        "hop_seconds": 0.01,
        "head": "clip",
    },
    "embedding": {"name": "soft"},
    "separator": {"name": "resunet30", "stage_channels": [2, 3], "window_size": 64, "hop_size": 32},
    "tagger": {"steps": 1, "validate_every": 1},
    "training": {"steps": 1, "validate_every": 1},
}


def write_recipe(folder: Path, **changes: Any) -> Path:
    """The recipe as a file."""
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, **changes}))
    return path


def make_model(**changes: Any) -> UniversalSeparator:
    """The recipe's model, every value of it random."""
    model = build_model(parse_recipe({**RECIPE, **changes}, "tests"), NAMES, IDS)
    generator = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator))
        elif name.endswith("num_batches_tracked"):
            value.fill_(7)
    return model


def query_net_state(query_net: nn.Module) -> dict[str, Tensor]:
    """A PANNs state dict: the net's values, and the front end's fixed kernels."""
    state = {
        f"spectrogram_extractor.stft.conv_{part}.weight": as_tensor(stft_kernel(1024, part))
        for part in ("real", "imag")
    }
    state["logmel_extractor.melW"] = as_tensor(mel_kernel())
    return {**state, **query_net.state_dict()}


def separator_state(separator: nn.Module, window_size: int = 64) -> dict[str, Tensor]:
    """A released separator's state dict: kernels, values, and what nothing reads."""
    state: dict[str, Tensor] = {"base.istft.ola_window": as_tensor(hann(window_size) ** 2)}
    for part in ("real", "imag"):
        state[f"base.stft.conv_{part}.weight"] = as_tensor(stft_kernel(window_size, part))
        state[f"base.istft.conv_{part}.weight"] = as_tensor(istft_kernel(window_size, part))
    for name, value in separator.state_dict().items():
        state[released_separator_name(name)] = value
    for stage in range(1, len(RECIPE["separator"]["stage_channels"]) + 1):
        state[f"base.decoder_block{stage}.bn2.weight"] = torch.rand(3)
        state[f"film.decoder_block{stage}->beta2.bias"] = torch.rand(3)
    return {f"ss_model.{key}": value for key, value in state.items()}


def system_state(model: UniversalSeparator) -> dict[str, Tensor]:
    """A released training checkpoint's state dict."""
    query_net = query_net_state(model.query_net)
    adaptor = cast(nn.Module, model.embedding).state_dict()
    return {
        **separator_state(model.separator),
        **{f"query_net.base.{key}": value for key, value in query_net.items()},
        **{f"query_net.{key}": value for key, value in adaptor.items()},
    }


def as_tensor(values: Any) -> Tensor:
    """float32, as released."""
    return torch.from_numpy(values).float()


def save(path: Path, state: dict[str, Any], key: str = "state_dict") -> Path:
    """A checkpoint file with what trainers keep beside the weights."""
    torch.save({"epoch": 3, key: state, "optimizer_states": []}, path)
    return path
