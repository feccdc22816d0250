"""The inverse STFT by overlap-add, which a GPU uses, against torch's own."""

from __future__ import annotations

import pytest
import torch

from uss_plugins.separators.stft import STFT, inverse_stft, overlap_added

SIZES = [(512, 256), (512, 128), (2048, 320), (256, 100)]


@pytest.mark.parametrize(("window_size", "hop_size"), SIZES)
@pytest.mark.parametrize("samples", [1, 300, 4096, 32001])
def test_overlap_added_frames_are_torchs_inverse_and_so_are_gradients(
    window_size: int, hop_size: int, samples: int
) -> None:
    generator = torch.Generator().manual_seed(samples)
    stft = STFT(window_size, hop_size)
    mixture = torch.randn(2, 1, samples, generator=generator)
    spectrum = stft(mixture)[:, 0].detach()
    spectrum = spectrum * torch.rand(spectrum.shape, generator=generator)  # no STFT of anything
    length = max(samples, window_size // 2 + 1)
    weights = torch.randn(2, length, generator=generator)
    found = []
    for inverse in (inverse_stft, overlap_added):
        given = spectrum.clone().requires_grad_()
        waveform = inverse(given, stft.window, hop_size, length)
        (waveform * weights).sum().backward()
        assert given.grad is not None
        found.append((waveform.detach(), given.grad))
    for theirs, ours in zip(*found, strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("window_size", "hop_size"), SIZES)
def test_frames_that_do_not_reach_the_end_leave_zeros(window_size: int, hop_size: int) -> None:
    window = torch.hann_window(window_size)
    spectrum = torch.randn(1, 3, window_size // 2 + 1, dtype=torch.complex64)
    reached = 2 * hop_size + window_size // 2
    waveform = overlap_added(spectrum, window, hop_size, reached + 50)
    assert waveform.shape == (1, reached + 50)
    assert waveform[:, reached:].count_nonzero() == 0
    assert waveform[:, : reached - 1].count_nonzero() == reached - 1
