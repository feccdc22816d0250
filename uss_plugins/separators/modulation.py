"""Makes a network that was written without a condition follow one: FiLM before its masker and its blocks.

Perez et al., *FiLM: Visual Reasoning with a General Conditioning Layer*, arXiv 1709.07871: features are
scaled and shifted by what a linear layer makes of the condition. Where to do so is found in the network
itself, so that a wrapped separator of any toolkit needs no code of its own:

    names = place_names(network, masker="masker")
    places = probe_places(network, names, run=network)
    self.modulation = Modulation(network, places, condition_size)
    ...
    with self.modulation.following(condition):
        estimate = network(mixture)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

PROBE_SAMPLES = (4000, 7000)
"""Two lengths of a probe: the axes that differ between them are time, or made of it."""


@dataclass(frozen=True)
class Place:
    """A module whose input is modulated.

    name: its dotted name in the network.
    axis: the axis of its first argument that holds features; axis 0 is the batch, or begins with it.
    size: number of features.
    is_complex: whether the features are complex; they are then shifted by complex numbers.
    shifts: whether features are shifted as well as scaled.
    """

    name: str
    axis: int
    size: int
    is_complex: bool = False
    shifts: bool = True

    @property
    def output_size(self) -> int:
        """Numbers that a condition decides here: a scale and, as it may be, a shift per feature."""
        return self.size * (1 + self.shifts * (1 + self.is_complex))


def place_names(network: nn.Module, masker: str) -> list[str]:
    """Names of the places to modulate: the masker, then its repeated blocks in their order.

    Blocks are the elements of any list of at least two modules of one type and with parameters, be it an
    `nn.ModuleList` or an `nn.Sequential`; lists within blocks are left alone. Of a block that is itself
    a list, the first element counts.

    masker: dotted name of the module that does the separating, such as "masker".
    """
    names = [masker]
    for name, block in _blocks(masker, network.get_submodule(masker)):
        while isinstance(block, nn.ModuleList):
            name, block = f"{name}.0", block[0]
        names.append(name)
    return names


def _blocks(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    children = [(f"{name}.{child}", each) for child, each in module.named_children()]
    if isinstance(module, (nn.ModuleList, nn.Sequential)) and _are_alike(list(module)):
        yield from children
        return
    for child_name, child in children:
        yield from _blocks(child_name, child)


def _are_alike(modules: Sequence[nn.Module]) -> bool:
    return (
        len(modules) > 1
        and len({type(module) for module in modules}) == 1
        and all(any(True for _ in module.parameters()) for module in modules)
    )


def probe_places(
    network: nn.Module,
    names: Sequence[str],
    run: Callable[[Tensor], Any],
    *,
    axis: int | None = None,
    probe_samples: tuple[int, int] = PROBE_SAMPLES,
) -> list[Place]:
    """What goes into the named modules, seen in runs on noise: which axis holds features, and how many.

    The feature axis is the first after the batch whose size does not follow the recording's length.
    The first place is only scaled: its features still carry the recording's level, next to which
    a shift could be anything. A place with a single feature has nothing to weigh, and is left out.

    run: calls the network on noise (batch, samples).
    axis: the feature axis of all places but the first, where the rule would name another.
    probe_samples: two different lengths that the network takes.

    Raises:
        ValueError: a module is not called, mixes the items of a batch, or has no feature axis.
    """
    short, long = probe_samples
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(3, max(probe_samples), generator=generator)
    pair, other_pair = items[:2, :short], items[[0, 2], :short]
    seen, with_another, with_longer = (
        _inputs(network, names, run, batch) for batch in (pair, other_pair, items[:2, :long])
    )
    places = []
    for number, name in enumerate(names):
        features = seen[name]
        _check_batch_first(name, features, with_another[name])
        found = _feature_axis(name, features.shape, with_longer[name].shape)
        chosen = found if axis is None or number == 0 else axis
        if features.shape[chosen] > 1:
            size = features.shape[chosen]
            places.append(Place(name, chosen, size, features.is_complex(), shifts=number > 0))
    return places


def _inputs(
    network: nn.Module, names: Sequence[str], run: Callable[[Tensor], Any], batch: Tensor
) -> dict[str, Tensor]:
    """Name -> what the module is first called with when the network runs on a batch."""
    seen: dict[str, Tensor] = {}

    def note(name: str, _module: nn.Module, arguments: tuple[Any, ...]) -> None:
        seen.setdefault(name, arguments[0])

    hooks = [
        network.get_submodule(name).register_forward_pre_hook(partial(note, name)) for name in names
    ]
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            run(batch)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    if uncalled := [name for name in names if name not in seen]:
        raise ValueError(f"never called with a tensor, so it cannot be modulated: {uncalled}")
    return seen


def _check_batch_first(name: str, features: Tensor, with_another: Tensor) -> None:
    """The first of two items fills the first half of axis 0, whatever the second item is."""
    half, rest = divmod(len(features), 2)
    if rest or not torch.allclose(features[:half], with_another[:half], rtol=1e-4, atol=1e-5):
        raise ValueError(f"{name}: axis 0 of its input {tuple(features.shape)} is not the batch")


def _feature_axis(name: str, shape: torch.Size, longer: torch.Size) -> int:
    fixed = [axis for axis in range(1, len(shape)) if shape[axis] == longer[axis]]
    if not fixed:
        raise ValueError(f"{name}: no axis of its input {tuple(shape)} holds features; declare it")
    return fixed[0]


class _Conditions(threading.local):
    """The conditions of the calls under way in this thread, the innermost last."""

    def __init__(self) -> None:
        self.stack: list[Tensor] = []

    def __reduce__(self) -> tuple[type[_Conditions], tuple[()]]:
        return _Conditions, ()  # copying or sending a network does not take along calls under way


@dataclass
class _Hook:
    """Modulates the first argument of one module; called by it before its `forward`."""

    film: FiLM
    conditions: _Conditions = field(repr=False)

    def __call__(self, _module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self.conditions.stack:
            raise RuntimeError("a modulated network was called outside `Modulation.following`")
        return self.film(arguments[0], self.conditions.stack[-1]), *arguments[1:]


class FiLM(nn.Module):
    """Scales and shifts the features at one place as a condition decides."""

    def __init__(self, place: Place, condition_size: int) -> None:
        super().__init__()
        self.place = place
        self.linear = nn.Linear(condition_size, place.output_size)
        # Scales near one and shifts near zero, yet different ones for every condition from the start.
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """Features of any shape, batch (or batch * k) first, and (batch, condition_size) to that shape."""
        place = self.place
        decided = self.linear(condition.to(self.linear.weight.dtype))
        decided = decided.repeat_interleave(len(features) // len(condition), dim=0)
        spread = [len(features)] + [1] * (features.ndim - 1)
        spread[place.axis] = place.size
        parts = [part.reshape(spread) for part in decided.split(place.size, dim=1)]
        if place.is_complex:
            parts = [part.to(features.real.dtype) for part in parts]
            shift = [torch.complex(*parts[1:])] if place.shifts else []
        else:
            parts = [part.to(features.dtype) for part in parts]
            shift = parts[1:]
        modulated: Tensor = features * (1 + parts[0])
        for each in shift:
            modulated = modulated + each
        return modulated


class Modulation(nn.Module):
    """FiLM at the places of a network, which stays its owner's: only the layers of FiLM are in here.

    Calls in several threads, and calls within calls, each follow their own condition.

    Args:
        network: what is modulated; it may from now on only be called within `following`.
        places: where, as `probe_places` finds them.
        condition_size: length of the condition vector.
    """

    def __init__(self, network: nn.Module, places: Sequence[Place], condition_size: int) -> None:
        super().__init__()
        self.films = nn.ModuleList(FiLM(place, condition_size) for place in places)
        self._conditions = _Conditions()
        for film in self.films:
            hook = _Hook(film, self._conditions)  # type: ignore[arg-type]
            network.get_submodule(film.place.name).register_forward_pre_hook(hook)  # type: ignore

    @property
    def places(self) -> tuple[Place, ...]:
        """Where the network is modulated, in order."""
        return tuple(film.place for film in self.films)  # type: ignore[misc]

    @contextmanager
    def following(self, condition: Tensor) -> Iterator[None]:
        """Within it the network follows `condition` (batch, condition_size), in this thread."""
        self._conditions.stack.append(condition)
        try:
            yield
        finally:
            self._conditions.stack.pop()
