"""Asteroid's separators as plug-ins: contract, parameters, lengths, channels, and that they learn."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from command_line import RunCli
from torch import Tensor

from registry import load_plugins
from registry.conformance import check
from registry.errors import UserError
from uss_plugins.ecosystems import import_asteroid
from uss_plugins.separators import asteroid_models
from uss_plugins.separators.asteroid_separator import AsteroidSeparator
from uss_plugins.separators.filterbank import frame_padding

TINY: dict[str, dict[str, Any]] = {
    "asteroid_conv_tasnet": {
        "n_filters": 16,
        "bn_chan": 8,
        "hid_chan": 8,
        "skip_chan": 8,
        "n_blocks": 2,
        "n_repeats": 2,
    },
    "asteroid_dprnn": {"n_filters": 16, "bn_chan": 8, "hid_size": 8, "chunk_size": 16},
    "asteroid_dptnet": {"n_filters": 16, "ff_hid": 8, "chunk_size": 16},
    "asteroid_sudormrf": {"n_filters": 16, "bn_chan": 8, "num_blocks": 2, "upsampling_depth": 3},
    "asteroid_dcunet": {
        "architecture": "mini",
        "stft_n_filters": 128,
        "stft_kernel_size": 128,
        "stft_stride": 32,
    },
}
ASTEROID_CLASS = {
    "asteroid_conv_tasnet": "ConvTasNet",
    "asteroid_dprnn": "DPRNNTasNet",
    "asteroid_dptnet": "DPTNet",
    "asteroid_sudormrf": "SuDORMRFImprovedNet",
    "asteroid_dcunet": "DCUNet",
}
FOLLOWS = {"n_src", "in_chan", "out_chan", "sample_rate", "fb_kwargs", "masknet_kwargs", "self"}
BLOCKS = {
    "asteroid_conv_tasnet": ("masker.TCN.0", 4),
    "asteroid_dprnn": ("masker.net.0", 3),
    "asteroid_dptnet": ("masker.layers.0.0", 2),
    "asteroid_sudormrf": ("masker.sm.0", 2),
    "asteroid_dcunet": ("masker.encoders.1", 4),
}


def build(name: str, **changes: Any) -> AsteroidSeparator:
    torch.manual_seed(0)
    parameters = {"condition_size": 3, "sample_rate": 4000, **TINY[name], **changes}
    built = load_plugins().build("separator", name, **parameters)
    assert isinstance(built, AsteroidSeparator)
    return built


@pytest.mark.parametrize("name", TINY)
def test_it_keeps_the_contract_of_separators(name: str) -> None:
    assert [str(finding) for finding in check("separator", build(name, channels=2))] == []


@pytest.mark.parametrize("name", TINY)
def test_every_hyper_parameter_of_asteroid_is_offered(name: str) -> None:
    class_ = getattr(import_asteroid("asteroid.models"), ASTEROID_CLASS[name])
    theirs = set(inspect.signature(class_.__init__).parameters) - FOLLOWS
    if name == "asteroid_sudormrf":
        theirs -= {"stride", "encoder_activation"}  # follow from kernel_size, and are fixed there
    ours = {parameter.name for parameter in load_plugins().parameters("separator", name)}
    assert theirs <= ours


@pytest.mark.parametrize("name", TINY)
def test_the_masker_and_its_blocks_are_modulated(name: str) -> None:
    places = build(name).modulation.places
    first, count = BLOCKS[name]
    assert (places[0].name, places[0].shifts) == ("masker", False)
    assert places[1].name == first
    assert len(places) == 1 + count
    assert places[0].is_complex is (name == "asteroid_dcunet")


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("samples", [1, 2, 33, 1001])
def test_any_length_comes_back(name: str, samples: int) -> None:
    separator = build(name).eval()
    mixture = torch.randn(2, 1, samples)
    with torch.no_grad():
        estimate = separator(mixture, torch.rand(2, 3))
    assert estimate.shape == mixture.shape
    assert estimate.dtype == torch.float32
    assert bool(estimate.isfinite().all())


@pytest.mark.parametrize("name", TINY)
def test_channels_are_separated_one_by_one(name: str) -> None:
    separator = build(name, channels=2).eval()
    mixture, condition = torch.randn(2, 2, 1000), torch.rand(2, 3)
    with torch.no_grad():
        together = separator(mixture, condition)
        for channel in range(2):
            alone = separator(mixture[:, channel : channel + 1], condition)
            torch.testing.assert_close(
                together[:, channel : channel + 1], alone, rtol=1e-3, atol=1e-5
            )


@pytest.mark.parametrize("name", TINY)
def test_a_few_steps_learn_to_follow_the_condition(name: str) -> None:
    """One of two tones is wanted, by the condition; the same mixture has two right answers."""
    separator = build(name, sample_rate=2000)
    time = torch.arange(500) / 2000
    tones = torch.stack([(time * hertz * 2 * torch.pi).sin() for hertz in (130.0, 700.0)])
    mixture = tones.sum(0).expand(2, 1, -1)
    target, condition = tones.unsqueeze(1), torch.eye(3)[:2]
    optimiser = torch.optim.AdamW(
        [each for each in separator.parameters() if each.requires_grad], lr=1e-2
    )

    def step() -> float:
        optimiser.zero_grad()
        loss = (separator(mixture, condition) - target).square().mean()
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    losses = [step() for _ in range(40)]
    assert losses[-1] < 0.05  # no estimate that ignores its condition can do better than 0.25


@pytest.mark.parametrize("samples", [1, 31, 32, 33, 1000])
@pytest.mark.parametrize("edge_samples", [0, 24])
def test_padding_covers_a_recording_with_whole_frames(samples: int, edge_samples: int) -> None:
    before, after = frame_padding(samples, 32, 8, edge_samples)
    total = before + samples + after
    assert before == edge_samples
    assert after >= edge_samples or samples + 2 * edge_samples <= 32
    assert total >= 32
    assert (total - 32) % 8 == 0


@pytest.mark.parametrize("fb_name", ["free", "analytic_free", "param_sinc", "stft"])
def test_every_filterbank_runs_and_says_nothing(
    fb_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    separator = build("asteroid_conv_tasnet", fb_name=fb_name, n_filters=32).eval()
    mixture = torch.randn(1, 1, 333)
    with torch.no_grad():
        assert separator(mixture, torch.rand(1, 3)).shape == mixture.shape
    assert capsys.readouterr().out == ""


def test_dead_parameters_are_frozen() -> None:
    separator = build("asteroid_conv_tasnet")
    frozen = [name for name, each in separator.named_parameters() if not each.requires_grad]
    assert frozen == ["network.masker.TCN.3.res_conv.weight", "network.masker.TCN.3.res_conv.bias"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_repeat": 2}, "unknown parameter 'n_repeat'; did you mean n_repeats"),
        ({"norm_type": "gln"}, "parameter 'norm_type' must be"),
        ({"n_filters": "64"}, "parameter 'n_filters' must be int, not '64'"),
        ({"n_blocks": 0}, "n_blocks=0; sizes must be positive"),
        ({"fb_name": "stft", "n_filters": 8}, "no such network can be built of fb_name='stft'"),
    ],
)
def test_wrong_hyper_parameters_are_refused_in_one_line(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as refused:
        build("asteroid_conv_tasnet", **changes)
    assert "\n" not in str(refused.value)


def test_show_tells_types_and_defaults(run_cli: RunCli) -> None:
    shown = run_cli("show", "separator", "asteroid_dprnn", "--json")
    assert shown.returncode == 0, shown.stderr
    parameters = {each["name"]: each for each in json.loads(shown.stdout)["parameters"]}
    assert parameters["chunk_size"] == {
        "name": "chunk_size",
        "type": "int",
        "required": False,
        "default": 64,
        "composed": False,
    }
    assert parameters["hop_size"]["type"] == "int | None"
    assert parameters["condition_size"]["required"]
    assert parameters["sample_rate"]["default"] == 16000


PUBLISHED: dict[str, Callable[[], AsteroidSeparator]] = {
    "asteroid_conv_tasnet": lambda: asteroid_models.asteroid_conv_tasnet(
        condition_size=3,
        n_filters=512,
        kernel_size=16,
        stride=8,
        n_repeats=3,
        bn_chan=128,
        hid_chan=512,
        skip_chan=128,
    ),
    "asteroid_dprnn": lambda: asteroid_models.asteroid_dprnn(
        condition_size=3,
        kernel_size=16,
        stride=8,
        bn_chan=128,
        hid_size=128,
        chunk_size=100,
        n_repeats=6,
    ),
    "asteroid_dptnet": lambda: asteroid_models.asteroid_dptnet(
        condition_size=3, kernel_size=16, stride=8, ff_hid=256, chunk_size=100, n_repeats=6
    ),
    "asteroid_sudormrf": lambda: asteroid_models.asteroid_sudormrf(
        condition_size=3, n_filters=512, kernel_size=21, num_blocks=16, upsampling_depth=4
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_asteroids_own_sizes_give_asteroids_own_network(name: str) -> None:
    class_ = getattr(import_asteroid("asteroid.models"), ASTEROID_CLASS[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = class_(n_src=1)
    ours = PUBLISHED[name]()
    wanted: dict[str, Tensor] = theirs.state_dict()
    shapes = {key: value.shape for key, value in ours.network.state_dict().items()}
    for key, value in wanted.items():
        if not (name == "asteroid_sudormrf" and key.startswith("encoder.filterbank")):
            assert shapes[key] == value.shape
