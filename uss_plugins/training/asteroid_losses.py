"""Asteroid's losses by name: those that compare an estimate's waveform with its target's.

The others need what training by queries does not have: several estimates in an unknown order (the pairwise
losses and the wrappers that reorder), embeddings (deep clustering) or spectra (PMSQE).
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from registry.errors import UserError, nearest
from registry.parameters import check_parameters
from uss_plugins.ecosystems import import_asteroid
from uss_plugins.training.losses import ASTEROID_PREFIX, Loss

SINGLE_SOURCE = (
    "singlesrc_neg_sisdr",
    "singlesrc_neg_sdsdr",
    "singlesrc_neg_snr",
    "singlesrc_mse",
    "SingleSrcNegSTOI",
    "SingleSrcMultiScaleSpectral",
)
"""Of a waveform (batch, samples): here each audio channel is an item of the batch."""

MULTI_SOURCE = ("multisrc_neg_sisdr", "multisrc_neg_sdsdr", "multisrc_neg_snr", "multisrc_mse")
"""Of waveforms (batch, sources, samples): here the audio channels take the place of sources."""


def asteroid_loss(name: str, parameters: Mapping[str, Any]) -> Loss:
    """The loss `asteroid.losses.NAME` as the mean over batch and channels, computed in float32.

    Raises:
        UserError: it is not among those that can be used, or does not take the parameters.
    """
    called = f"loss {ASTEROID_PREFIX + name!r}"
    usable = (*SINGLE_SOURCE, *MULTI_SOURCE)
    if name not in usable:
        known = [ASTEROID_PREFIX + each for each in usable]
        remedy = nearest(ASTEROID_PREFIX + name, known)
        raise UserError(f"no {called} of one estimate and its target; {remedy}")
    found: Any = getattr(import_asteroid("asteroid.losses"), name)
    if inspect.isclass(found):
        checked = check_parameters(found.__mro__[_own_signature(found)], parameters, called)
        with warnings.catch_warnings():
            # STOI's resampler uses a name that torchaudio has since changed.
            warnings.filterwarnings("ignore", message='"sinc_interpolation"')
            found = found(**checked)
    elif parameters:
        raise UserError(f"{called} takes no parameters; leave out {', '.join(parameters)}")
    return _mean_of(found, as_items=name in SINGLE_SOURCE)


def _own_signature(loss_class: type) -> int:
    """Which of a class's ancestors names its parameters; Asteroid's STOI passes on whatever it gets."""
    for place, ancestor in enumerate(loss_class.__mro__):
        kinds = {each.kind for each in inspect.signature(ancestor).parameters.values()}
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return place
    return 0


def _mean_of(function: Any, *, as_items: bool) -> Loss:
    def loss(estimate: Tensor, target: Tensor) -> Tensor:
        if isinstance(function, nn.Module):
            function.to(estimate.device)
        with torch.autocast(estimate.device.type, enabled=False):
            pair = estimate.float(), target.float()
            if as_items:
                pair = pair[0].flatten(0, 1), pair[1].flatten(0, 1)
            mean: Tensor = function(*pair).mean()
        return mean

    return loss
