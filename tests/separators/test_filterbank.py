"""Trained filterbanks as the ResUNet's transform: where they begin, what they learn, what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from registry.conformance import check
from registry.errors import UserError
from uss_plugins.separators.filterbank import TRAINED_FILTERBANKS, Filterbank, make_transform
from uss_plugins.separators.resunet import ResUNet, resunet_small
from uss_plugins.separators.stft import STFT


def small(filterbank: dict[str, Any] | None, channels: int = 1) -> ResUNet:
    torch.manual_seed(0)
    return resunet_small(
        condition_size=3,
        sample_rate=8000,
        channels=channels,
        stage_channels=[4, 4],
        window_size=64,
        hop_size=32,
        filterbank=filterbank,
    )


def test_the_stft_by_name_is_the_stft() -> None:
    by_name, by_default = small({"name": "stft"}).eval(), small(None).eval()
    assert type(by_name.stft) is STFT
    mixture, condition = torch.randn(2, 1, 501), torch.rand(2, 3)
    assert torch.equal(by_name(mixture, condition), by_default(mixture, condition))
    assert list(by_name.state_dict()) == list(by_default.state_dict())


@pytest.mark.parametrize("name", ["free", "analytic_free"])
@pytest.mark.parametrize("samples", [1, 63, 64, 65, 1000])
def test_free_filters_begin_by_giving_everything_back(name: str, samples: int) -> None:
    transform = make_transform({"name": name}, 64, 32, 8000)
    waveform = torch.randn(2, 2, samples)
    spectrum = transform(waveform)
    assert spectrum.shape[:2] == (2, 2)
    assert spectrum.shape[3] == 33
    torch.testing.assert_close(transform.inverse(spectrum, samples), waveform, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", TRAINED_FILTERBANKS)
@pytest.mark.parametrize("samples", [1, 500])
def test_the_inverse_has_exactly_the_length_asked_for(name: str, samples: int) -> None:
    transform = make_transform({"name": name}, 64, 16, 8000)
    waveform = torch.randn(1, 2, samples)
    assert transform.inverse(transform(waveform), samples).shape == waveform.shape


def test_a_windowed_sinc_begins_near_what_it_was_given() -> None:
    transform = make_transform({"name": "param_sinc"}, 512, 256, 16000)
    waveform = torch.randn(1, 1, 16000)
    with torch.no_grad():
        error = transform.inverse(transform(waveform), 16000) - waveform
    assert float(error.norm() / waveform.norm()) < 0.8


@pytest.mark.parametrize("name", TRAINED_FILTERBANKS)
def test_filters_are_trained(name: str) -> None:
    separator = small({"name": name})
    assert isinstance(separator.stft, Filterbank)
    before = {key: value.detach().clone() for key, value in separator.stft.named_parameters()}
    optimiser = torch.optim.Adam(separator.parameters(), lr=0.1)
    mixture = torch.randn(2, 1, 500)
    (separator(mixture, torch.rand(2, 3)) - mixture).square().mean().backward()
    optimiser.step()
    for key, value in separator.stft.named_parameters():
        assert value.grad is not None
        assert bool(value.grad.any()), key
        assert not torch.equal(value, before[key])


@pytest.mark.parametrize("name", TRAINED_FILTERBANKS)
def test_a_resunet_with_a_filterbank_keeps_its_contract(name: str) -> None:
    assert [str(each) for each in check("separator", small({"name": name}, channels=2))] == []


@pytest.mark.parametrize("name", TRAINED_FILTERBANKS)
def test_the_prepared_form_gives_the_same_estimate(name: str) -> None:
    separator = small({"name": name}).eval()
    mixture, condition = torch.randn(2, 1, 900), torch.rand(2, 3)
    with torch.no_grad():
        expected = separator(mixture, condition)
        torch.testing.assert_close(separator.prepare()(mixture, condition), expected)


@pytest.mark.parametrize(
    ("filterbank", "message"),
    [
        ({"name": "fre"}, "no name 'fre'; did you mean free"),
        ({"window": 3}, "no name None"),
        ({"name": "free", "kernel_size": 3}, "kernel_size: window_size, hop_size"),
        ({"name": "stft", "window_size": 64}, "are the separator's own"),
        (
            {"name": "param_sinc", "min_low": 3.0},
            "unknown parameter 'min_low'; did you mean min_low_hz",
        ),
        ({"name": "param_sinc", "min_low_hz": "a"}, "'min_low_hz' must be float, not 'a'"),
        ({"name": "free", "min_low_hz": 1.0}, "unknown parameter 'min_low_hz'; it takes none"),
    ],
)
def test_what_is_no_filterbank_is_refused_in_one_line(
    filterbank: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make_transform(filterbank, 64, 32, 8000)


def test_a_filterbanks_own_parameters_are_passed_on() -> None:
    transform = make_transform({"name": "param_sinc", "min_low_hz": 80.0}, 64, 32, 8000)
    assert isinstance(transform, Filterbank)
    assert transform.analysis.filterbank.min_low_hz == 80.0
