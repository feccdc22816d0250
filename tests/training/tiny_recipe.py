"""The smallest recipe that trains every part: learnable embedding with dropout, an average of weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

TREE: dict[str, Any] = {
    "seed": 3,
    "corpus": {
        "name": "synthetic",
        "sample_rate": 8000,
        "clip_seconds": 3.0,
        "classes": ["Speech", "Bark", "Siren", "Rain"],
        "splits": {"train": {"clips": 16}, "valid": {"clips": 8}, "test": {"clips": 8}},
    },
    "query_net": {
        "name": "cnn_small",
        "channels": [4, 8],
        "embedding_size": 8,
        "mel_size": 16,
        "window_seconds": 0.064,
        "hop_seconds": 0.04,
        "high_frequency": 4000.0,
    },
    "embedding": {"name": "learnable", "condition_size": 8, "hidden_size": 8},
    "separator": {
        "name": "resunet_small",
        "stage_channels": [4, 4],
        "window_size": 256,
        "hop_size": 128,
    },
    "anchors": {"segment_seconds": 1.0},
    "mixing": {"gain_range_db": [-3.0, 3.0]},
    "tagger": {"steps": 40, "batch_size": 4, "validate_every": 5, "validation_batches": 1},
    "training": {
        "steps": 80,
        "batch_size": 4,
        "validate_every": 5,
        "validation_batches": 1,
        "gradient_clip": 1.0,
        "ema_decay": 0.9,
        "schedule": {"name": "cosine", "warm_up_steps": 5},
    },
}


def tiny_tree(**sections: dict[str, Any]) -> dict[str, Any]:
    """`TREE` with some keys of its sections changed."""
    tree = copy.deepcopy(TREE)
    for name, changes in sections.items():
        tree[name].update(changes)
    return tree


def write_tiny_recipe(folder: Path) -> Path:
    """`TREE` as a file in `folder`."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(TREE), encoding="utf-8")
    return path
