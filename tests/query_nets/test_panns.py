"""The PANNs family: shapes at any length and rate, training, precision, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from registry.contracts import QueryNet, QueryOutput
from registry.errors import UserError
from uss_plugins.query_nets.panns import Panns, cnn14, cnn_small

NAMES = ("Speech", "Dog", "Siren")
CHANNELS = (4, 8, 8)
HEADS = ("clip", "decision_level_max")


def tiny(**parameters: Any) -> Panns:
    torch.manual_seed(0)
    settings = {"class_names": NAMES, "channels": CHANNELS, "embedding_size": 6, **parameters}
    return cnn_small(**settings).eval()


def noise(batch: int, samples: int) -> Tensor:
    return 0.3 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(1))


def outputs(output: QueryOutput) -> list[Tensor]:
    given = (output.clip_probabilities, output.frame_probabilities, output.embedding)
    return [value for value in given if value is not None]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("samples", [1, 2, 256, 257, 319, 320, 1279, 1280, 7777, 16000])
def test_any_length(head: str, samples: int) -> None:
    net = tiny(head=head)
    output = net(noise(2, samples))
    assert output.clip_probabilities.shape == (2, 3)
    assert output.embedding.shape == (2, 6)
    if head == "clip":
        assert output.frame_probabilities is None
        assert net.frames_per_second is None
    else:
        assert output.frame_probabilities.shape == (2, samples // 320 + 1, 3)
        assert ((output.frame_probabilities >= 0) & (output.frame_probabilities <= 1)).all()
    assert ((output.clip_probabilities >= 0) & (output.clip_probabilities <= 1)).all()


@pytest.mark.parametrize("head", HEADS)
def test_short_audio_is_padded_with_zeros(head: str) -> None:
    net = tiny(head=head)
    short = noise(1, 100)
    padded = torch.cat([short, torch.zeros(1, net.min_samples - 100)], dim=1)
    torch.testing.assert_close(net(short).clip_probabilities, net(padded).clip_probabilities)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 32000, 44100, 48000])
def test_any_sample_rate(sample_rate: int) -> None:
    net = tiny(sample_rate=sample_rate)
    output = net(noise(1, 2 * sample_rate))
    assert net.sample_rate == sample_rate
    assert net.frames_per_second == pytest.approx(50, rel=1e-3)
    assert output.frame_probabilities.shape[1] == int(2 * net.frames_per_second) + 1


def test_clip_is_the_maximum_over_frames_which_share_their_step() -> None:
    net = tiny()
    output = net(noise(2, 43 * 320))  # 44 frames are 11 steps of 4
    steps = output.frame_probabilities.unflatten(1, (11, 4))
    assert (steps == steps[:, :, :1]).all()
    assert (output.frame_probabilities.amax(dim=1) == output.clip_probabilities).all()


def test_last_frames_repeat_the_last_step() -> None:
    frames = tiny()(noise(1, 46 * 320)).frame_probabilities  # 47 frames: 11 steps and 3 over
    assert (frames[:, 44:] == frames[:, 43:44]).all()


def test_frames_are_where_the_sound_is() -> None:
    net = tiny()
    sound = torch.zeros(1, 32000)
    sound[:, 16000:24000] = noise(1, 8000)
    difference = net(sound).frame_probabilities - net(torch.zeros(1, 32000)).frame_probabilities
    heard = difference.abs().amax(dim=(0, 2)) > 1e-6
    first, last = heard.nonzero()[[0, -1], 0] / net.frames_per_second
    reach = 0.5  # seconds that convolutions and pooling reach on either side
    assert 1.0 - reach <= first <= 1.0
    assert 1.5 <= last <= 1.5 + reach


@pytest.mark.parametrize("head", HEADS)
def test_evaluation_repeats_itself_and_items_do_not_mix(head: str) -> None:
    net = tiny(head=head, block_dropout=0.5)
    audio = noise(3, 8000)
    together = outputs(net(audio))
    for first, second in zip(together, outputs(net(audio)), strict=True):
        assert torch.equal(first, second)
    for item in range(3):
        for whole, alone in zip(together, outputs(net(audio[item : item + 1])), strict=True):
            torch.testing.assert_close(whole[item : item + 1], alone)


@pytest.mark.parametrize("head", HEADS)
def test_gradients_reach_every_parameter(head: str) -> None:
    net = tiny(head=head, block_dropout=0.2).train()
    sum(value.square().sum() for value in outputs(net(noise(4, 16000)))).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_it_learns_a_class_and_its_times_from_weak_labels() -> None:
    settings = {"channels": (8, 16, 16), "embedding_size": 16, "head_dropout": 0.0}
    net = tiny(class_names=["low", "high"], **settings)
    generator = torch.Generator().manual_seed(2)
    seconds = torch.arange(16000) / 16000
    tones = torch.stack([torch.sin(2 * torch.pi * f * seconds) for f in (300.0, 3000.0)])

    def clips(starts: Tensor) -> Tensor:
        """Half a second of each tone, from `starts` (clips,) on: (2 * clips, samples)."""
        sounding = (seconds >= starts[:, None]) & (seconds < starts[:, None] + 0.5)
        audio = (tones * sounding[:, None]).flatten(0, 1)
        return 0.5 * audio + 0.01 * torch.randn(audio.shape, generator=generator)

    optimiser = torch.optim.Adam(net.train().parameters(), 3e-3)
    for _ in range(50):
        probabilities = net(clips(0.5 * torch.rand(4, generator=generator))).clip_probabilities
        loss = torch.nn.functional.binary_cross_entropy(probabilities, torch.eye(2).repeat(4, 1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    heard = net.eval()(clips(torch.tensor([0.5])))
    torch.testing.assert_close(heard.clip_probabilities, torch.eye(2), atol=0.2, rtol=0)
    for class_index in range(2):
        frames = heard.frame_probabilities[class_index, :, class_index]
        assert frames[30:].mean() > frames[:20].mean() + 0.4  # frame 25 is at 0.5 s


@pytest.mark.parametrize("head", HEADS)
def test_bfloat16_autocast_is_close_and_gives_float32(head: str) -> None:
    net = tiny(head=head)
    audio = noise(2, 16000)
    exact = outputs(net(audio))
    with torch.autocast("cpu", torch.bfloat16):
        coarse = outputs(net(audio))
    for reference, value in zip(exact, coarse, strict=True):
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, reference, atol=0.03, rtol=0.05)


def test_channels_last_changes_nothing() -> None:
    net = tiny()
    audio = noise(2, 16000)
    before = outputs(net(audio))
    net.to(memory_format=torch.channels_last)
    for reference, value in zip(before, outputs(net(audio)), strict=True):
        torch.testing.assert_close(value, reference)


def test_names_are_those_of_released_checkpoints() -> None:
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"bn0.{leaf}" for leaf in norm}
    for block in range(1, len(CHANNELS) + 1):
        expected |= {f"conv_block{block}.conv{n}.weight" for n in (1, 2)}
        expected |= {f"conv_block{block}.bn{n}.{leaf}" for n in (1, 2) for leaf in norm}
    expected |= {f"{layer}.{leaf}" for layer in ("fc1", "fc_audioset") for leaf in norm[:2]}
    assert set(tiny().state_dict()) == expected


def test_initial_weights() -> None:
    net = tiny()
    for name, value in net.named_parameters():
        if value.ndim == 1:
            scale = ".bn" in f".{name}" and name.endswith("weight")
            assert (value == (1.0 if scale else 0.0)).all(), name
        else:
            fans = (value.shape[0] + value.shape[1]) * value[0, 0].numel()
            bound = (6 / fans) ** 0.5  # Xavier uniform
            assert 0.8 * bound < value.abs().max() <= bound, name


def test_contract_and_sizes() -> None:
    net = tiny()
    assert isinstance(net, QueryNet)
    assert net.class_names == NAMES
    assert net.embedding_size == 6
    assert Panns(class_names=NAMES, channels=CHANNELS).embedding_size == CHANNELS[-1]


def test_audioset_is_the_default() -> None:
    names = tiny(class_names=None).class_names
    assert len(names) == 527
    assert names[:2] == ("Speech", "Male speech, man speaking")


def test_cnn14_has_the_published_size() -> None:
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in cnn14(class_names=["?"] * 527).parameters())
    stft_kernels, mel_matrix = 2 * 513 * 1024, 513 * 64  # which the released net counts as its own
    assert count + stft_kernels + mel_matrix == 81_837_071


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"class_names": []}, "class_names is empty"),
        ({"channels": []}, r"channels \[\]"),
        ({"channels": [8, 0]}, r"channels \[8, 0\]"),
        ({"embedding_size": 0}, "embedding_size 0"),
        ({"head": "frames"}, "head 'frames'"),
        ({"mel_size": 3}, "mel_size 3 is too small for 3 blocks"),
        ({"hop_seconds": 1e-6}, "hop of 0 samples"),
        ({"window_seconds": 0.0}, "window of 0"),
        ({"low_frequency": 9000.0}, "low_frequency 9000 Hz must lie between 0 and 8000 Hz"),
    ],
)
def test_refuses(parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        tiny(**parameters)
    assert "\n" not in str(error.value)
