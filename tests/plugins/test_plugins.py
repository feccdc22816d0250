"""Plug-ins are found among really installed distributions, and one's faults stay its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from registry import (
    BrokenComponentError,
    CollisionError,
    ParameterError,
    Plugin,
    Plugins,
    UnknownComponentError,
    load_plugins,
)


@pytest.fixture
def plugins(plugin_site: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    monkeypatch.syspath_prepend(plugin_site)
    return load_plugins({})


def test_a_component_says_where_it_comes_from(plugins: Plugins) -> None:
    spec = plugins.find("separator", "echo")
    assert spec.summary == "gives the mixture back"
    assert spec.factory == "good_nets_modules:Echo"
    assert spec.source == Plugin("good", "good-nets", "1.2")
    assert spec in plugins.specs("separator")
    assert spec not in plugins.specs("embedding")


def test_a_component_is_built_with_checked_parameters(plugins: Plugins) -> None:
    echo = plugins.build("separator", "echo", condition_size=4, gain=2)
    assert torch.equal(echo(torch.ones(1, 1, 3), torch.zeros(1, 4)), torch.full((1, 1, 3), 2.0))
    with pytest.raises(ParameterError, match=r"separator 'echo': .*'gian'; did you mean gain\?"):
        plugins.build("separator", "echo", condition_size=4, gian=2)


def test_built_ins_are_found_beside_the_others(plugins: Plugins) -> None:
    assert plugins.find("query_net", "cnn14").distribution == "uss-plugins"
    assert plugins.find("query-net", "cnn14") == plugins.find("query_net", "cnn14")


def test_failures_are_kept_with_their_reasons(plugins: Plugins) -> None:
    reasons = {str(entry.plugin): entry.reason for entry in plugins.broken}
    assert reasons == {
        "plug-in 'raising' of raising-nets 0.3": "RuntimeError: no licence found",
        "plug-in 'mistyped' of mistyped-nets 0.1": (
            "it implements a hook that does not exist: 'register_seperators' "
            "(did you mean register_separators?)"
        ),
        "plug-in 'hookless' of hookless-nets 0.1": (
            "it implements no hook; mark its functions with registry.hookimpl"
        ),
    }


def test_a_name_claimed_twice_is_an_error_for_that_name_only(plugins: Plugins) -> None:
    message = "plug-in 'a' of twin-a 1.0 and plug-in 'b' of twin-b 2.0; .*USS_PLUGINS_DISABLE"
    with pytest.raises(CollisionError, match=message):
        plugins.find("separator", "twin")
    assert plugins.find("separator", "only_a").distribution == "twin-a"
    assert "twin" not in {spec.name for spec in plugins.specs()}


def test_a_built_in_name_is_not_overridden(plugins: Plugins) -> None:
    with pytest.raises(CollisionError, match=r"twin-b 2\.0 and plug-in 'builtin' of uss-plugins"):
        plugins.build("separator", "resunet30", condition_size=4)
    claimed = {(claims[0].kind, claims[0].name) for claims in plugins.collisions()}
    assert claimed == {("separator", "twin"), ("separator", "resunet30")}


@pytest.mark.parametrize("name", ["b", "twin-b", "Twin_B", " nobody , twin.b"])
def test_a_plugin_is_switched_off_by_either_name(
    plugin_site: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(plugin_site)
    monkeypatch.setenv("USS_PLUGINS_DISABLE", name)
    plugins = load_plugins()
    assert plugins.disabled == [Plugin("b", "twin-b", "2.0")]
    assert plugins.collisions() == []
    assert plugins.find("separator", "twin").distribution == "twin-a"


def test_a_plugin_that_is_switched_off_is_not_imported(
    plugin_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(plugin_site)
    plugins = load_plugins({"USS_PLUGINS_DISABLE": "raising,mistyped,hookless"})
    assert plugins.broken == []
    assert [plugin.name for plugin in plugins.disabled] == ["hookless", "mistyped", "raising"]


def test_an_unknown_name_gets_the_nearest_and_those_not_in_use(plugins: Plugins) -> None:
    with pytest.raises(UnknownComponentError) as raised:
        plugins.find("separator", "ecko")
    assert str(raised.value) == (
        "no separator 'ecko' is registered; did you mean echo? "
        "(not in use: plug-ins hookless, mistyped, raising; see uss-plugins list)"
    )


def test_an_unknown_kind_gets_the_kinds(plugins: Plugins) -> None:
    with pytest.raises(UnknownComponentError, match="'filter'; known: query_net, embedding, sep"):
        plugins.find("filter", "echo")


def test_a_factory_that_cannot_be_imported_names_who_registered_it(plugins: Plugins) -> None:
    with pytest.raises(BrokenComponentError) as raised:
        plugins.build("separator", "lost")
    assert str(raised.value) == (
        "separator 'lost' of plug-in 'good' of good-nets 1.2 cannot be loaded from "
        "good_nets_missing:Lost: ModuleNotFoundError: No module named 'good_nets_missing'"
    )


def test_a_factory_that_tells_no_parameters_is_refused(plugins: Plugins) -> None:
    with pytest.raises(ParameterError, match=re.escape("<class 'dict'> does not tell its")):
        plugins.build("corpus", "dictionary")
