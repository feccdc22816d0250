"""The torch front ends of CLAP and AST against transformers' own extractors, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from registry.errors import UserError
from uss_plugins.ecosystems import import_transformers
from uss_plugins.query_nets.ast_features import AstFeatures
from uss_plugins.query_nets.clap_features import ClapFeatures, crop_starts
from uss_plugins.query_nets.windows import window_starts

RATE = 48000


def sounds(batch_size: int, samples: int, seed: int = 0) -> torch.Tensor:
    """A tone and noise of different levels; the last of several is silence."""
    generator = torch.Generator().manual_seed(seed)
    seconds = torch.arange(samples) / RATE
    audio = 0.05 * torch.randn(batch_size, samples, generator=generator)
    audio += 0.3 * torch.sin(2 * torch.pi * 440 * seconds)
    audio[1:][-1:] = 0
    return audio


def clap_extractor(**settings: Any) -> Any:
    return import_transformers().ClapFeatureExtractor(**{"max_length_s": 1, **settings})


def assert_close_db(ours: torch.Tensor, theirs: Any) -> None:
    """Equal to 1e-2 dB: where a band holds next to nothing, float32 and float64 differ by that."""
    theirs = torch.from_numpy(np.asarray(theirs)).float()
    assert_close(ours, theirs, atol=1e-2, rtol=0)
    assert float((ours - theirs).abs().median()) < 1e-4


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
@pytest.mark.parametrize("samples", [1, 999, 20001, RATE - 1, RATE])
def test_clap_without_fusion(padding: str, samples: int) -> None:
    extractor = clap_extractor(truncation="rand_trunc", padding=padding)
    audio = sounds(3, samples)
    features, is_longer = ClapFeatures(extractor, fusion=False)(audio)
    theirs = extractor(list(audio.numpy()), sampling_rate=RATE)
    assert features.shape == (3, 1, 101, 64)
    assert_close_db(features, theirs["input_features"])
    assert not is_longer.any()


@pytest.mark.parametrize("samples", [5000, RATE, RATE + 300, 2 * RATE + 7, 3 * RATE + 480])
def test_clap_with_fusion(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = clap_extractor(truncation="fusion")
    audio = sounds(2, samples)
    monkeypatch.setattr(np.random, "choice", lambda places: places[len(places) // 2])
    theirs = extractor(list(audio.numpy()), sampling_rate=RATE)
    features, is_longer = ClapFeatures(extractor, fusion=True)(audio)
    assert_close_db(features, theirs["input_features"])
    assert is_longer.tolist() == [[samples >= RATE + 480]] * 2
    if samples >= RATE + 480:
        assert is_longer.tolist() == theirs["is_longer"]


def test_other_settings_of_clap() -> None:
    settings = {"sampling_rate": 32000, "hop_length": 321, "fft_window_size": 512}
    bands = {"feature_size": 40, "frequency_min": 50, "frequency_max": 9000}
    extractor = clap_extractor(truncation="rand_trunc", **settings, **bands)
    audio = sounds(2, 30000)
    features, _ = ClapFeatures(extractor, fusion=False)(audio)
    theirs = extractor(list(audio.numpy()), sampling_rate=32000)
    assert_close_db(features, theirs["input_features"])


@pytest.mark.parametrize(
    "settings", [{"padding": "mirror"}, {"hop_length": 0}, {"fft_window_size": 200000}]
)
def test_settings_of_clap_that_make_no_spectrogram(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="feature extractor"):
        ClapFeatures(clap_extractor(**settings), fusion=False)


@pytest.mark.parametrize("samples", [400, 401, 559, 560, 16000, 163999, 164080])
def test_ast(samples: int) -> None:
    extractor = import_transformers().ASTFeatureExtractor()
    audio = sounds(2, samples)
    features = AstFeatures(extractor)(audio)
    theirs = extractor(list(audio.numpy()), sampling_rate=16000)["input_values"]
    assert features.shape == (2, 1024, 128)
    assert_close(features, torch.from_numpy(np.stack(theirs)), atol=1e-3, rtol=0)


def test_ast_takes_less_than_a_frame() -> None:
    features = AstFeatures(import_transformers().ASTFeatureExtractor())
    filled = torch.nn.functional.pad(sounds(1, 7), (0, 393))
    assert_close(features(sounds(1, 7)), features(filled))


def test_other_settings_of_ast() -> None:
    settings = {"num_mel_bins": 40, "max_length": 50, "sampling_rate": 8000, "mean": -3.0}
    extractor = import_transformers().ASTFeatureExtractor(**settings, std=2.0)
    plain = import_transformers().ASTFeatureExtractor(**settings, do_normalize=False)
    audio = sounds(1, 4096)
    for each in (extractor, plain):
        theirs = each(list(audio.numpy()), sampling_rate=8000)["input_values"]
        ours = AstFeatures(each)(audio)
        assert_close(ours, torch.from_numpy(np.stack(theirs)), atol=1e-3, rtol=0)


def test_settings_of_ast_that_make_no_spectrogram() -> None:
    with pytest.raises(UserError, match="deviation"):
        AstFeatures(import_transformers().ASTFeatureExtractor(std=0.0))


def test_crops_stand_in_the_middle_of_each_third() -> None:
    assert crop_starts(100, 91) == [2, 5, 8]
    assert crop_starts(92, 91) == [0, 1, 0]


def test_windows_cover_all_and_no_more_than_needed() -> None:
    assert window_starts(1, 10) == [0]
    assert window_starts(10, 10) == [0]
    assert window_starts(11, 10) == [0, 1]
    assert window_starts(25, 10) == [0, 8, 15]
    assert window_starts(30, 10) == [0, 10, 20]
