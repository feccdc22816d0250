"""Each broken component fails on its own check and there only; the fixture and the network's refusal."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import torch
from broken_components import BROKEN, AsksTheNetwork, HasAnIdleLayer, Listener, Masker, Projection

from registry import ParameterError
from registry.conformance import CHECKS, check, examine
from registry.conformance.building import NetworkRefusedError, refused_network

pytest_plugins = ["registry.conformance.pytest_plugin"]
CASES = [(check, *case) for check, cases in BROKEN.items() for case in cases]
WHOLE = [("separator", Masker), ("query_net", Listener), ("embedding", Projection)]


@pytest.mark.parametrize(("kind", "factory"), WHOLE, ids=[case[0] for case in WHOLE])
def test_what_keeps_its_contract_passes_every_check(kind: str, factory: type[Any]) -> None:
    outcomes = list(examine(kind, factory))
    assert [(outcome.check, outcome.status, outcome.findings) for outcome in outcomes] == [
        (name, "passed", ()) for name in CHECKS if name != "clips"
    ]


@pytest.mark.parametrize(
    ("name", "kind", "factory", "reason"), CASES, ids=[f"{c[0]}-{c[2].__name__}" for c in CASES]
)
def test_a_broken_component_fails_on_its_own_check_only(
    name: str, kind: str, factory: type[Any], reason: str
) -> None:
    failed = {o.check: o.reason for o in examine(kind, factory) if o.status == "failed"}
    assert list(failed) == [name], failed
    assert reason in failed[name]
    assert "\n" not in failed[name]


def test_every_check_of_a_network_is_broken_by_something() -> None:
    assert set(BROKEN) == set(CHECKS) - {"clips"}


def test_checks_that_rely_on_what_is_broken_are_not_run() -> None:
    outcomes = {outcome.check: outcome for outcome in examine("separator", AsksTheNetwork)}
    assert set(outcomes) == set(BROKEN)
    assert {o.status for name, o in outcomes.items() if name != "builds"} == {"not checked"}
    assert outcomes["bf16"].reason == "it was not built"


def test_a_check_leaves_weights_statistics_mode_and_randomness_as_they_were() -> None:
    network = torch.nn.Sequential(torch.nn.BatchNorm1d(1))
    separator = Masker(8)
    separator.conv = torch.nn.Sequential(separator.conv, network)  # type: ignore[assignment]
    separator.conv[1].eval()
    before = {name: value.clone() for name, value in separator.state_dict().items()}
    modes = [module.training for module in separator.modules()]
    random_state = torch.random.get_rng_state()
    assert check("separator", separator) == []
    assert all(torch.equal(value, before[name]) for name, value in separator.state_dict().items())
    assert [module.training for module in separator.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert all(parameter.grad is None for parameter in separator.parameters())


def test_what_is_examined_has_the_same_weights_each_time() -> None:
    built: list[torch.Tensor] = []

    def noted(condition_size: int) -> Masker:
        made = Masker(condition_size)
        built.append(torch.cat([one.detach().flatten() for one in made.parameters()]))
        return made

    for seed in (1, 2):
        torch.manual_seed(seed)
        expected = torch.rand(3)
        torch.manual_seed(seed)
        next(examine("separator", noted))
        assert torch.equal(torch.rand(3), expected)
    assert torch.equal(built[0], built[1])


def test_wrong_parameters_are_the_callers_mistake() -> None:
    with pytest.raises(ParameterError, match="separator: unknown parameter 'depth'"):
        list(examine("separator", Masker, {"depth": 3}))


def test_no_connection_is_made_and_no_host_looked_up_while_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with refused_network() as asked:
            with pytest.raises(NetworkRefusedError, match="without a network"):
                socket.create_connection(address)
            with socket.socket() as own, pytest.raises(NetworkRefusedError):
                own.connect(address)
            with pytest.raises(NetworkRefusedError):
                socket.gethostbyname("example.org")
        assert asked == ["127.0.0.1", str(address), "example.org"]
        socket.create_connection(address).close()  # afterwards all is as it was


def test_the_fixture_names_each_check_that_fails(check_component: Any) -> None:
    assert len(check_component("separator", Masker, channels=2)) == len(BROKEN)
    assert check_component("embedding", "soft")
    with pytest.raises(pytest.fail.Exception) as failure:
        check_component("separator", HasAnIdleLayer)
    lines = str(failure.value).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("gradients: no gradient reaches 2 of 6 parameters")
