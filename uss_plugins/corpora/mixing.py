"""Mixtures of a batch's segments: each segment is a target, its neighbours in the batch interfere.

As in arXiv 2305.07447. Beyond the paper: interferers that share the target's class can be
passed over, and their level can vary around the matched one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MIN_ENERGY = 1e-10
MIN_GAIN, MAX_GAIN = 0.02, 50.0


@dataclass(frozen=True)
class Mixture:
    """A batch of mixtures; `mixture = targets + interferers.sum(dim=1)`.

    mixture, targets: (batch, samples).
    interferers: (batch, sources - 1, samples), as they were mixed in; zero where one is missing.
    interferer_index: (batch, sources - 1) long, each interferer's item of the batch, or -1.
    missing: how many interferers the whole batch lacks, for want of allowed items; a count () on the device.
    """

    mixture: Tensor
    targets: Tensor
    interferers: Tensor
    interferer_index: Tensor
    missing: Tensor


def mix(
    segments: Tensor,
    *,
    sources: int = 2,
    match_energy: bool = True,
    allowed: Tensor | None = None,
    gain_range_db: tuple[float, float] = (0.0, 0.0),
    generator: torch.Generator | None = None,
) -> Mixture:
    """Mix each of `segments` (batch, samples) with the `sources - 1` next ones, circular.

    match_energy: rescale each interferer to the target's energy, by an amplitude within [0.02, 50].
    allowed: (batch, batch) bool, whether item `column` may interfere with target `row`; the next
        allowed items are taken. None allows every other item.
    gain_range_db: each interferer's level is moved by a random gain, uniform in this range, in dB.
    """
    index = _interferer_index(segments, sources - 1, allowed)
    found = (index >= 0).unsqueeze(-1)
    interferers = segments[index.clamp(min=0)] * found
    if match_energy:
        interferers = interferers * _matching_gain(segments.unsqueeze(1), interferers)
    if gain_range_db != (0.0, 0.0):
        interferers = interferers * _random_gain(index, gain_range_db, generator).to(segments)
    return Mixture(
        mixture=segments + interferers.sum(dim=1),
        targets=segments,
        interferers=interferers,
        interferer_index=index,
        missing=(index < 0).sum(),
    )


def allowed_interferers(
    class_index: Tensor,
    labels: Tensor,
    probabilities: Tensor | None = None,
    threshold: float = 0.5,
) -> Tensor:
    """Which items may interfere with which targets so that no interferer holds the target's class.

    class_index: (batch,) long, the class of each target.
    labels: (batch, classes) bool, the weak labels of each item's clip.
    probabilities: (batch, classes), the tagger's for each item's segment; (batch, 0) or None without one.
    threshold: an item whose probability of a class is over it counts as holding that class.

    Returns (batch, batch) bool, rows are targets: false where the column's item carries the row's
    class by label or by tag, and on the diagonal.
    """
    holds = labels.bool()
    if probabilities is not None and probabilities.shape[1]:
        holds = holds | (probabilities > threshold)
    allowed = ~holds[:, class_index].T  # (target, item)
    return allowed & ~torch.eye(len(class_index), dtype=torch.bool, device=allowed.device)


def _interferer_index(segments: Tensor, count: int, allowed: Tensor | None) -> Tensor:
    """(batch, count) long: the next allowed items after each, circular; -1 where too few."""
    batch = len(segments)
    item = torch.arange(batch, device=segments.device)
    following = (item.unsqueeze(1) + item[1:]) % batch  # (batch, batch - 1), in circular order
    if allowed is not None:
        may = allowed.to(segments.device).gather(1, following)
        order = (~may).long().argsort(dim=1, stable=True)  # allowed ones first, order kept
        following = following.where(may, -1).gather(1, order)
    lacking = max(0, count - following.shape[1])
    return torch.nn.functional.pad(following[:, :count], (0, lacking), value=-1)


def _matching_gain(target: Tensor, other: Tensor) -> Tensor:
    """Amplitude that gives `other` (..., samples) the mean energy of `target`: (..., 1)."""
    target_energy = target.square().mean(dim=-1, keepdim=True)
    other_energy = other.square().mean(dim=-1, keepdim=True).clamp(min=MIN_ENERGY)
    return (target_energy / other_energy).sqrt().clamp(MIN_GAIN, MAX_GAIN)


def _random_gain(
    index: Tensor, range_db: tuple[float, float], generator: torch.Generator | None
) -> Tensor:
    """A random amplitude for each interferer: (batch, count, 1), on the generator's device."""
    low, high = range_db
    device = None if generator is None else generator.device
    uniform = torch.rand(*index.shape, 1, generator=generator, device=device)
    gain: Tensor = 10 ** ((low + (high - low) * uniform) / 20)
    return gain
