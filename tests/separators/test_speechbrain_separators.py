"""SpeechBrain's separators as plug-ins: its networks exactly, any length and channels, checked sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from command_line import RunCli
from torch import Tensor, nn

from registry import load_plugins
from registry.conformance import check
from registry.errors import UserError
from uss_plugins.ecosystems import import_speechbrain
from uss_plugins.separators.speechbrain_separators import (
    Positions,
    SpeechBrainSeparator,
    speechbrain_resepformer,
    speechbrain_sepformer,
)

SIZES: dict[str, Any] = {"condition_size": 3, "encoder_kernel_size": 8, "encoder_out_nchannels": 8}
SEPFORMER: dict[str, Any] = {**SIZES, "masknet_chunksize": 10, "intra_nhead": 2, "inter_nhead": 2}
RESEPFORMER: dict[str, Any] = {**SIZES, "segment_size": 10, "nhead": 2, "d_ffn": 16}


def sepformer(**parameters: Any) -> SpeechBrainSeparator:
    torch.manual_seed(0)
    return speechbrain_sepformer(**{**SEPFORMER, **parameters}).eval()


def resepformer(**parameters: Any) -> SpeechBrainSeparator:
    torch.manual_seed(0)
    return speechbrain_resepformer(**{**RESEPFORMER, **parameters}).eval()


def noise(*shape: int) -> Tensor:
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "separator",
    [
        sepformer(channels=2),
        sepformer(masknet_numlayers=1, sample_rate=8000),
        resepformer(channels=2),
        resepformer(layer=1, sample_rate=8000),
        resepformer(layer=3),
    ],
    ids=["sepformer", "one layer", "resepformer", "one block", "three blocks"],
)
def test_it_keeps_its_contract(separator: SpeechBrainSeparator) -> None:
    assert check("separator", separator) == []


def unmodulated(separator: SpeechBrainSeparator) -> SpeechBrainSeparator:
    """The separator with FiLM that leaves features as they are."""
    for parameter in separator.modulation.parameters():
        nn.init.zeros_(parameter)
    return separator


@torch.no_grad()
def test_without_modulation_it_is_speechbrains_sepformer() -> None:
    ours = unmodulated(sepformer())
    theirs = import_speechbrain("speechbrain.lobes.models.dual_path").SepformerWrapper(
        encoder_kernel_size=8,
        encoder_out_nchannels=8,
        masknet_chunksize=10,
        masknet_numspks=1,
        intra_numlayers=1,
        inter_numlayers=1,
        intra_nhead=2,
        inter_nhead=2,
        intra_dffn=128,
        inter_dffn=128,
    )
    missing, unknown = theirs.load_state_dict(ours.network.state_dict(), strict=False)
    assert not unknown
    assert all(name.endswith("pos_enc.pe") for name in missing)
    mixture = noise(2, 404)  # whole frames of 8 samples every 4
    estimate = ours(mixture.unsqueeze(1), noise(2, 3))[:, 0]
    assert estimate.abs().max() > 0
    assert torch.allclose(estimate, theirs.eval()(mixture)[..., 0], atol=1e-6)


@torch.no_grad()
def test_the_memory_is_speechbrains_for_one_recording_and_keeps_several_apart() -> None:
    separator = unmodulated(resepformer(layer=3))
    ours: Any = separator.network.masknet.model  # type: ignore[union-attr]
    module = import_speechbrain("speechbrain.lobes.models.resepformer")
    block = module.SBTransformerBlock_wnormandskip(
        1, 8, 2, 16, dropout=0.0, use_positional_encoding=True, norm_before=True
    )
    theirs = module.ResourceEfficientSeparationPipeline(
        8, 8, 8, num_blocks=3, segment_size=10, seg_model=block, mem_model=block
    )
    missing, unknown = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not unknown
    assert all(name.endswith("pos_enc.pe") for name in missing)
    frames = noise(2, 47, 8)
    with separator.modulation.following(torch.zeros(2, 3)):
        together = ours(frames)
    for item, original in zip(together, frames, strict=True):
        assert torch.allclose(item, theirs.eval()(original[None])[0], atol=1e-5)
    assert not torch.allclose(together, theirs(frames), atol=1e-3)


def test_positions_are_speechbrains_and_go_on() -> None:
    transformer = import_speechbrain("speechbrain.lobes.models.transformer.Transformer")
    x = torch.zeros(2, 40, 6)
    assert torch.allclose(Positions(6)(x), transformer.PositionalEncoding(6)(x), atol=1e-6)
    assert Positions(6)(torch.zeros(1, 3000, 6)).shape == (1, 3000, 6)
    assert not [name for name in sepformer().state_dict() if name.endswith("pe")]


@torch.no_grad()
@pytest.mark.parametrize("separator", [sepformer(channels=2), resepformer(channels=2)])
def test_channels_and_lengths_are_the_wrappers_care(separator: SpeechBrainSeparator) -> None:
    mixture, condition = noise(2, 2, 403), noise(2, 3)
    estimate = separator(mixture, condition)
    swapped = separator(mixture.flip(1), condition)
    assert estimate.shape == mixture.shape
    assert torch.allclose(estimate, swapped.flip(1), atol=1e-6)
    assert not torch.allclose(estimate, separator(mixture, condition + 1), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("sepformer", {"intra_nhead": 3}, "speechbrain_sepformer: no network can be built"),
        ("sepformer", {"encoder_out_nchannels": 9}, "speechbrain_sepformer: no network can be"),
        ("sepformer", {"masknet_numlayers": 0}, "masknet_numlayers=0 must be at least 1"),
        ("sepformer", {"encoder_kernel_size": 7}, "encoder_kernel_size=7 must be even"),
        ("sepformer", {"masknet_norm": "xy"}, "parameter 'masknet_norm' must be"),
        ("resepformer", {"nhead": 3}, "speechbrain_resepformer: no network can be built"),
        ("resepformer", {"layer": 0}, "layer=0 and segment_size=10 must be at least 1"),
        ("resepformer", {"layers": 2}, "unknown parameter 'layers'; did you mean layer"),
    ],
)
def test_hyper_parameters_are_checked(name: str, parameters: dict[str, Any], message: str) -> None:
    sizes = {"sepformer": SEPFORMER, "resepformer": RESEPFORMER}[name]
    with pytest.raises(UserError, match=message) as caught:
        load_plugins({}).build("separator", f"speechbrain_{name}", **{**sizes, **parameters})
    assert "\n" not in str(caught.value)


def test_show_tells_the_hyper_parameters(run_cli: RunCli) -> None:
    shown = run_cli("show", "separator", "speechbrain_sepformer")
    assert shown.returncode == 0
    assert "masknet_chunksize: int  = 100" in shown.stdout
    assert "condition_size: int  required  (from its neighbours)" in shown.stdout
