"""Networks written without a condition: where they are modulated, and that each call follows its own."""

from __future__ import annotations

import copy
import io
import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from uss_plugins.separators.modulation import (
    FiLM,
    Modulation,
    Place,
    place_names,
    probe_places,
)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.conv(x))


class Masker(nn.Module):
    def __init__(self, block_count: int = 3) -> None:
        super().__init__()
        self.bottleneck = nn.Sequential(nn.Conv1d(6, 4, 1), nn.PReLU())
        self.blocks = nn.ModuleList(Block() for _ in range(block_count))
        self.output = nn.Conv1d(4, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bottleneck(x)
        for block in self.blocks:
            x = block(x)
        mask: Tensor = torch.sigmoid(self.output(x))
        return mask


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv1d(1, 6, 8, 4)
        self.masker = Masker()
        self.decoder = nn.ConvTranspose1d(6, 1, 8, 4)

    def forward(self, mixture: Tensor) -> Tensor:
        spectrum = self.encoder(mixture.unsqueeze(1))
        estimate: Tensor = self.decoder(spectrum * self.masker(spectrum))[:, 0]
        return estimate


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


def modulated(net: Net, condition_size: int = 3) -> Modulation:
    places = probe_places(net, place_names(net, "masker"), net)
    return Modulation(net, places, condition_size)


def test_the_places_are_the_masker_and_its_like_blocks(net: Net) -> None:
    assert place_names(net, "masker") == ["masker", *(f"masker.blocks.{n}" for n in range(3))]
    places = probe_places(net, place_names(net, "masker"), net)
    assert places[0] == Place("masker", 1, 6, shifts=False)
    assert places[1:] == [Place(f"masker.blocks.{n}", 1, 4) for n in range(3)]


def test_a_block_that_is_a_list_counts_by_its_first_element() -> None:
    net = nn.Module()
    net.masker = nn.Sequential(nn.ModuleList([Block(), Block()]), nn.ModuleList([Block(), Block()]))
    assert place_names(net, "masker") == ["masker", "masker.0.0", "masker.1.0"]


@pytest.mark.parametrize("axis", [None, 2])
def test_features_are_found_on_the_last_axis_too_and_may_be_declared(axis: int | None) -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.masker = nn.Linear(5, 5)

        def forward(self, mixture: Tensor) -> Tensor:
            made: Tensor = self.masker(mixture.unsqueeze(-1).expand(-1, -1, 5))
            return made

    last = Last()
    assert probe_places(last, ["masker"], last, axis=axis) == [Place("masker", 2, 5, shifts=False)]


def test_what_cannot_be_modulated_says_why(net: Net) -> None:
    net.unused = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"never called.*\['unused'\]"):
        probe_places(net, ["unused"], net)

    class Crossed(Net):
        def forward(self, mixture: Tensor) -> Tensor:
            return super().forward(mixture.flip(0).roll(1, 0) + mixture.sum(0))

    crossed = Crossed()
    with pytest.raises(ValueError, match="is not the batch"):
        probe_places(crossed, ["masker"], crossed)


def test_probing_leaves_a_network_as_it_was(net: Net) -> None:
    net.masker.eval()
    before = copy.deepcopy(net.state_dict())
    state = torch.random.get_rng_state()
    probe_places(net, place_names(net, "masker"), net)
    assert net.training
    assert not net.masker.training
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(module._forward_pre_hooks for module in net.modules())
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("place", "shape"),
    [
        (Place("x", 1, 3), (2, 3, 5)),
        (Place("x", 2, 3), (4, 5, 3)),
        (Place("x", 1, 3, shifts=False), (2, 3, 5, 2)),
        (Place("x", 1, 3, is_complex=True), (6, 3, 5)),
    ],
)
def test_film_scales_and_shifts_along_its_axis(place: Place, shape: tuple[int, ...]) -> None:
    film = FiLM(place, 4)
    dtype = torch.complex64 if place.is_complex else torch.float32
    features = torch.randn(shape, dtype=dtype)
    condition = torch.randn(2, 4)
    result = film(features, condition)
    decided = film.linear(condition)
    for item in range(shape[0]):
        row = decided[item * 2 // shape[0]]
        for feature in range(3):
            shift: Tensor = torch.zeros(())
            if place.is_complex:
                shift = torch.complex(row[3 + feature], row[6 + feature])
            elif place.shifts:
                shift = row[3 + feature]
            expected = features[item].select(place.axis - 1, feature) * (1 + row[feature]) + shift
            torch.testing.assert_close(result[item].select(place.axis - 1, feature), expected)


def test_without_modulation_the_network_is_itself_and_with_it_the_condition_matters(
    net: Net,
) -> None:
    mixture = torch.randn(2, 200)
    expected = net(mixture)
    modulation = modulated(net)
    with modulation.following(torch.zeros(2, 3)):
        torch.testing.assert_close(net(mixture), expected)  # biases begin at zero
    with modulation.following(torch.eye(3)[:2]):
        told = net(mixture)
    with modulation.following(torch.eye(3)[1:]):
        told_otherwise = net(mixture)
    assert (told - told_otherwise).norm() > 1e-2 * told.norm()


def test_outside_of_a_call_the_network_refuses(net: Net) -> None:
    modulated(net)
    with pytest.raises(RuntimeError, match="outside"):
        net(torch.zeros(1, 200))


def test_nested_calls_return_to_the_outer_condition(net: Net) -> None:
    modulation = modulated(net)
    mixture = torch.randn(1, 200)
    outer, inner = torch.eye(3)[:1], torch.eye(3)[1:2]
    with modulation.following(outer):
        before = net(mixture)
        with modulation.following(inner):
            other = net(mixture)
        after = net(mixture)
    assert torch.equal(before, after)
    assert not torch.equal(before, other)


def test_threads_follow_their_own_conditions(net: Net) -> None:
    modulation = modulated(net)
    mixture = torch.randn(1, 200)

    def separate(index: int) -> Tensor:
        with torch.no_grad(), modulation.following(torch.eye(3)[index : index + 1]):
            return net(mixture)

    expected = [separate(index) for index in range(3)]
    barrier = threading.Barrier(3)
    wrong: list[int] = []

    def work(index: int) -> None:
        with torch.no_grad(), modulation.following(torch.eye(3)[index : index + 1]):
            for _ in range(20):
                barrier.wait(timeout=30)  # all conditions are set before any network runs
                if not torch.equal(net(mixture), expected[index]):
                    wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert wrong == []


def test_copies_and_stored_networks_stand_alone(net: Net) -> None:
    both: Any = nn.ModuleList([net, modulated(net)])
    mixture, condition = torch.randn(1, 200), torch.eye(3)[:1]

    def separate(pair: Any) -> Tensor:
        with torch.no_grad(), pair[1].following(condition):
            made: Tensor = pair[0](mixture)
        return made

    expected = separate(both)
    stored = io.BytesIO()
    torch.save(both, stored)
    stored.seek(0)
    for other in (copy.deepcopy(both), torch.load(stored, weights_only=False)):
        assert torch.equal(separate(other), expected)
        for film in other[1].films:
            film.linear.weight.data.zero_()
        assert not torch.equal(separate(other), expected)
        assert torch.equal(separate(both), expected)


def test_gradients_reach_every_layer_also_in_bfloat16(net: Net) -> None:
    modulation = modulated(net)
    with torch.autocast("cpu", dtype=torch.bfloat16), modulation.following(torch.rand(2, 3)):
        net(torch.randn(2, 200)).float().square().mean().backward()
    for parameter in (*net.parameters(), *modulation.parameters()):
        assert parameter.grad is not None
        assert bool(parameter.grad.any())
        assert bool(parameter.grad.isfinite().all())
