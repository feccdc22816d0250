"""The paper's system with fresh weights, in this project's form and in the plain one."""

from __future__ import annotations

import torch
from baseline import PlainResUNet, PlainTagger
from torch import Tensor

from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.labels.audioset import classes
from uss_plugins.query_nets.panns import cnn14
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separators.resunet import ResUNet, resunet30

RATE = 32000


def make_separator(condition_size: int) -> ResUNet:
    """`resunet30` with batch norms as far from 1 and 0 as a training leaves them."""
    torch.manual_seed(0)
    net = resunet30(condition_size=condition_size)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2.0)
    return net.eval()


def make_model(device: torch.device) -> UniversalSeparator:
    """Cnn14, soft conditions, ResUNet30."""
    names = tuple(one.name for one in classes())
    separator = make_separator(len(names))
    ids = [one.machine_id for one in classes()]
    model = UniversalSeparator(
        cnn14(RATE, names), SoftEmbedding(len(names)), separator, class_ids=ids
    )
    return model.eval().to(device)


def plain_parts(
    model: UniversalSeparator, device: torch.device
) -> tuple[PlainTagger, PlainResUNet]:
    """The baseline's networks, with the weights of a model of ours."""
    tagger, separator = PlainTagger(model.query_net), PlainResUNet(model.separator)  # type: ignore[arg-type]
    return tagger.to(device), separator.to(device)


def noise(*shape: int) -> Tensor:
    """In the processor's memory, as what is read from files."""
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))
