"""The plain form of the system that separation is timed against is the same system."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from uss_plugins.query_nets.panns_network import Panns
from uss_plugins.separators.resunet import resunet_small

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RATE = 8000


@pytest.fixture
def baseline(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("baseline")


@torch.no_grad()
def test_separates_as_the_module_does(baseline: Any) -> None:
    torch.manual_seed(0)
    net = resunet_small(condition_size=3, stage_channels=(8, 8), window_size=64, hop_size=16).eval()
    mixture, condition = 0.1 * torch.randn(2, 1, 1000), torch.rand(2, 3)
    exact = net(mixture, condition)
    estimate = baseline.PlainResUNet(net)(mixture, condition)
    assert (estimate - exact).norm() / exact.norm() < 1e-6


@torch.no_grad()
def test_tags_as_the_module_does(baseline: Any) -> None:
    torch.manual_seed(0)
    net = Panns(RATE, ("a", "b"), channels=(4, 8), mel_size=16).eval()
    audio = 0.1 * torch.randn(2, 4000)
    heard = baseline.PlainTagger(net)(audio)
    torch.testing.assert_close(heard, net(audio).clip_probabilities, rtol=1e-4, atol=1e-5)


def test_its_transform_is_the_fourier_transform(baseline: Any) -> None:
    """At the size of the paper's, where a rounded angle shows most."""
    audio, window = torch.randn(1, 8192).double(), torch.hann_window(2048).double()
    spectrum = torch.stft(audio, 2048, 320, window=window, pad_mode="reflect", return_complex=True)
    found = torch.complex(*baseline.DftStft(2048, 320)(audio.float()))[0, 0].T
    assert (found - spectrum[0]).norm() / spectrum.norm() < 1e-6


def test_its_transform_is_undone(baseline: Any) -> None:
    stft, audio = baseline.DftStft(64, 16), torch.randn(2, 500)
    torch.testing.assert_close(
        stft.inverse(*stft(audio), 496), audio[:, :496], rtol=1e-4, atol=1e-5
    )
