"""Every network that this project registers passes every check, at sizes that take a second each."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_hub import AST_CONFIG, AST_FEATURES, CLAP_CONFIG, CLAP_FEATURES

from registry import ComponentSpec, load_plugins
from registry.conformance import CHECKS, examine

LOW_RATE = {"sample_rate": 8000}
WAVEFORM = {"sample_rate": 4000}  # separators whose frames are a few samples each
PANNS = {"channels": [4, 8, 8], "embedding_size": 8, "mel_size": 16}
RESUNET = {"stage_channels": [4, 8], "window_size": 128, "hop_size": 32, **LOW_RATE}
SPEAKER = {"embedding_size": 6, "mel_size": 20, "channels": [8, 8, 8, 8, 12]}
SEPFORMER = {"encoder_kernel_size": 8, "encoder_out_nchannels": 8, **WAVEFORM}
REDUCED: dict[str, dict[str, Any]] = {
    "cnn_small": {**PANNS, **LOW_RATE},
    "ast": {"config": AST_CONFIG, "feature_extractor": AST_FEATURES},
    "clap": {"config": CLAP_CONFIG, "feature_extractor": CLAP_FEATURES},
    "speechbrain_ecapa": {
        **SPEAKER,
        "attention_channels": 4,
        "se_channels": 16,
        "res2net_scale": 4,
    },
    "speechbrain_xvector": SPEAKER,
    "resunet30": RESUNET,
    "resunet60": RESUNET,
    "resunet_small": RESUNET,
    "asteroid_conv_tasnet": {
        "n_filters": 16,
        "bn_chan": 8,
        "hid_chan": 8,
        "skip_chan": 8,
        "n_blocks": 2,
        **WAVEFORM,
    },
    "asteroid_dprnn": {"n_filters": 16, "bn_chan": 8, "hid_size": 8, "chunk_size": 16, **WAVEFORM},
    "asteroid_dptnet": {"n_filters": 16, "ff_hid": 8, "chunk_size": 16, **WAVEFORM},
    "asteroid_sudormrf": {
        "n_filters": 16,
        "bn_chan": 8,
        "num_blocks": 2,
        "upsampling_depth": 3,
        **WAVEFORM,
    },
    "asteroid_dcunet": {
        "architecture": "mini",
        "stft_n_filters": 128,
        "stft_kernel_size": 128,
        "stft_stride": 32,
        **WAVEFORM,
    },
    "speechbrain_sepformer": {
        **SEPFORMER,
        "masknet_chunksize": 10,
        "intra_nhead": 2,
        "inter_nhead": 2,
    },
    "speechbrain_resepformer": {**SEPFORMER, "segment_size": 10, "nhead": 2, "d_ffn": 16},
}
"""Component -> what makes it small; one that is not here is checked at its defaults."""

PLUGINS = load_plugins({})
NETWORKS = [
    spec for spec in PLUGINS.specs() if spec.distribution == "uss-plugins" and spec.kind != "corpus"
]


@pytest.mark.parametrize("spec", NETWORKS, ids=[spec.name for spec in NETWORKS])
def test_it_passes_every_check(spec: ComponentSpec) -> None:
    factory = PLUGINS.factory(spec.kind, spec.name)
    outcomes = list(examine(spec.kind, factory, REDUCED.get(spec.name)))
    assert {o.check: o.reason for o in outcomes if o.status != "passed"} == {}
    assert [outcome.check for outcome in outcomes] == [name for name in CHECKS if name != "clips"]


def test_every_component_that_is_made_small_is_there() -> None:
    assert set(REDUCED) <= {spec.name for spec in NETWORKS}
