"""The networks at sizes that no stored case has, against their plain form in `plain_networks`."""

from __future__ import annotations

import pytest
import torch
from parity.hashfill import fill, relative_error, uniform, waveform
from parity.plain_networks import PlainPanns, PlainResUNet

from uss_plugins.query_nets.panns_network import Panns
from uss_plugins.separation.importing.names import released_separator_name
from uss_plugins.separators.resunet import resunet30

CLASSES = tuple("abcde")
WIDTHS = (4, 5, 6, 7, 8, 9)
CONDITION_SIZE = 7


@pytest.mark.parametrize(
    ("batch", "channels", "samples"), [(1, 1, 1025), (3, 1, 4801), (2, 2, 10501), (1, 3, 3333)]
)
def test_resunet30(batch: int, channels: int, samples: int) -> None:
    separator = resunet30(condition_size=CONDITION_SIZE, channels=channels, stage_channels=WIDTHS)
    fill(separator, "ss_model.", released_separator_name)
    weights = {
        released_separator_name(name): value for name, value in separator.state_dict().items()
    }
    mixture = waveform("other", batch * channels, samples).view(batch, channels, samples)
    condition = torch.from_numpy(uniform("other", (batch, CONDITION_SIZE))).float()
    with torch.no_grad():
        estimate = separator(mixture, condition)
    assert relative_error(estimate, PlainResUNet(weights, condition)(mixture)) <= 1e-5


@pytest.mark.parametrize(("batch", "samples"), [(1, 10000), (3, 20480), (2, 41777)])
def test_panns_nets(batch: int, samples: int) -> None:
    audio = waveform("other", batch, samples)
    tagger = Panns(class_names=CLASSES, channels=WIDTHS)
    detector = Panns(class_names=CLASSES, channels=WIDTHS, head="decision_level_max")
    for net in (tagger, detector):
        fill(net, "other.")
    plain = PlainPanns(tagger.state_dict())
    with torch.no_grad():
        tagged, detected = tagger(audio), detector(audio)
    clip, embedding = plain.tag(audio)
    assert relative_error(tagged.clip_probabilities, clip.numpy()) <= 1e-5
    assert relative_error(tagged.embedding, embedding.numpy()) <= 1e-5
    clip, frames = plain.detect(audio)
    assert relative_error(detected.clip_probabilities, clip.numpy()) <= 1e-5
    assert relative_error(detected.frame_probabilities, frames.numpy()) <= 1e-5
