"""The ResUNet family beyond its parity: lengths, channels, gradients, precision, bad sizes."""

from __future__ import annotations

import pytest
import torch

from registry.errors import UserError
from uss_plugins.separators.resunet import apply_maps, resunet30, resunet60, resunet_small
from uss_plugins.separators.stft import STFT


def small(**changes: object) -> torch.nn.Module:
    torch.manual_seed(0)
    sizes: dict[str, object] = {"stage_channels": (4, 8), "window_size": 64, "hop_size": 16}
    return resunet_small(condition_size=3, **(sizes | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", [1, 2, 33, 100, 1000, 1601])
@pytest.mark.parametrize("channels", [1, 2])
def test_keeps_the_mixtures_shape(samples: int, channels: int) -> None:
    separator = small(channels=channels).eval()
    mixture = torch.randn(2, channels, samples)
    estimate = separator(mixture, torch.rand(2, 3))
    assert estimate.shape == mixture.shape
    assert torch.isfinite(estimate).all()


def test_silence_gives_exact_silence() -> None:
    estimate = small().eval()(torch.zeros(1, 1, 500), torch.rand(1, 3))
    assert torch.equal(estimate, torch.zeros(1, 1, 500))


def test_the_items_of_a_batch_do_not_meet() -> None:
    separator = small().eval()
    mixture, condition = torch.randn(3, 1, 700), torch.rand(3, 3)
    together = separator(mixture, condition)
    alone = torch.cat([separator(mixture[i : i + 1], condition[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)


def test_every_parameter_gets_a_gradient() -> None:
    separator = small()
    estimate = separator(torch.randn(2, 1, 800), torch.rand(2, 3))
    estimate.square().sum().backward()
    without = [n for n, p in separator.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_the_condition_decides_the_estimate() -> None:
    separator = small().eval()
    mixture = torch.randn(1, 1, 800).expand(2, 1, 800)
    estimates = separator(mixture, torch.eye(3)[:2])
    assert not torch.allclose(estimates[0], estimates[1], rtol=1e-2)


def test_bfloat16_stays_near_float32() -> None:
    separator = small().eval()
    mixture, condition = torch.randn(2, 1, 900), torch.rand(2, 3)
    with torch.no_grad():
        exact = separator(mixture, condition)
        with torch.autocast("cpu", torch.bfloat16):
            rough = separator(mixture, condition)
    assert rough.dtype == torch.float32
    assert (rough - exact).norm() / exact.norm() < 0.03


def test_maps_scale_the_magnitude_and_turn_the_phase() -> None:
    spectrum = torch.tensor([1 + 1j]).view(1, 1, 1, 1)
    # sigmoid(0) halves; the angle of (tanh(0), tanh(1)) is a quarter turn.
    maps = torch.tensor([0.0, 0.0, 1.0]).view(1, 1, 3, 1, 1)
    torch.testing.assert_close(apply_maps(spectrum, maps), 0.5j * spectrum)


@pytest.mark.parametrize("samples", [1, 100, 2047, 2048, 5000, 32001])
def test_the_inverse_transform_undoes_the_transform(samples: int) -> None:
    stft = STFT(2048, 320)
    waveform = torch.randn(2, 3, samples)
    spectrum = stft(waveform)
    assert spectrum.shape == (2, 3, max(samples, 1025) // 320 + 1, 1025)
    torch.testing.assert_close(stft.inverse(spectrum, samples), waveform, rtol=1e-4, atol=1e-5)


def test_depths_and_sizes_are_the_papers() -> None:
    with torch.device("meta"):
        thirty, sixty = resunet30(condition_size=527), resunet60(condition_size=527)
    film = sum(p.numel() for name, p in thirty.named_parameters() if "film" in name)
    total = sum(p.numel() for p in thirty.parameters())
    assert round((total - film) / 1e6, 2) == 21.39
    # The released 5.20 M count one FiLM layer in each decoder stage that nothing reads.
    unread = sum(c * 528 for c in (384, 384, 384, 256, 128, 64))
    assert round((film + unread) / 1e6, 2) == 5.20

    def convolutions(net: torch.nn.Module) -> int:
        return sum(isinstance(module, torch.nn.Conv2d) for module in net.modules())

    assert convolutions(sixty) - convolutions(thirty) == 2 * 13


@pytest.mark.parametrize(
    "changes",
    [
        {"window_size": 100},
        {"stage_channels": ()},
        {"stage_channels": (4, 0)},
        {"blocks_per_stage": 0},
        {"hop_size": 33},
        {"hop_size": 0},
        {"film_gain": 0.0},
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_one_line(changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match="resunet: ") as error:
        small(**changes)
    assert "\n" not in str(error.value)


def test_channels_last_gives_the_same_estimates_and_gradients() -> None:
    mixture, condition = torch.randn(3, 1, 900).double(), torch.rand(3, 3).double()
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        separator = small().double()
        separator.to(memory_format=memory_format)
        magnitude = separator.stft(mixture).abs().double()
        maps = separator.estimate_maps(magnitude, condition)
        maps.square().sum().backward()
        gradients = [parameter.grad for parameter in separator.parameters()]
        results.append(
            (maps.detach(), [gradient for gradient in gradients if gradient is not None])
        )
    (maps, gradients), (maps_last, gradients_last) = results
    torch.testing.assert_close(maps_last, maps)
    assert len(gradients) == len(gradients_last) > 20
    for one, other in zip(gradients, gradients_last, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-9)


def test_film_gain_scales_how_strongly_the_condition_steers_at_first() -> None:
    one, four = small(film_gain=1.0).state_dict(), small(film_gain=4.0).state_dict()
    for name, weight in one.items():
        torch.testing.assert_close(four[name], weight * (4 if name.endswith("film.weight") else 1))
