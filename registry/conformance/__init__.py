"""Whether a component keeps its contract: for `uss-plugins check`, authors of plug-ins and our own tests.

for outcome in examine("separator", MyNet, {"condition_size": 8}):
    print(outcome.check, outcome.status, outcome.reason)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from registry.conformance.attributes import check_attributes
from registry.conformance.building import check_given, check_network_unused, refused_network
from registry.conformance.report import (
    RELIES_ON_ATTRIBUTES,
    Finding,
    Outcome,
    Report,
    Stopwatch,
)
from registry.errors import UserError
from registry.parameters import check_parameters, read_parameters
from registry.plugins import canonical_kind, one_line

__all__ = ["CHECKS", "Finding", "Outcome", "check", "examine", "sample_parameters"]

CHECKS = {
    "builds": "it is built without a network",
    "attributes": "what it declares of itself is true",
    "shapes": "shapes are right for several batch sizes, channels, odd and even lengths",
    "finite": "silence and loud input stay finite",
    "independent": "items of a batch do not depend on each other",
    "repeatable": "the same input gives the same output in evaluation mode",
    "led": "the condition matters; of a query net the audio, of a strategy the query",
    "gradients": "gradients reach all parameters that are to be trained",
    "stored": "saved and loaded, it gives the same output",
    "devices": "it moves between devices whole",
    "bf16": "it computes and learns under bfloat16 autocast",
    "clips": "labels, clips and known truth of a corpus",
}
"""Name of a check -> what it asserts."""

_CHECKS_OF_A_CORPUS = ("attributes", "clips")
_CHECKS_OF_A_NETWORK = tuple(name for name in CHECKS if name not in ("builds", "clips"))
_CLASS_NAMES = ("Speech", "Bark", "Siren", "Rain", "Music")
_EMBEDDING_SIZE = 16
_SAMPLES: dict[str, Any] = {
    "sample_rate": 16000,
    "class_names": _CLASS_NAMES,
    "class_count": len(_CLASS_NAMES),
    "embedding_size": _EMBEDDING_SIZE,
    "condition_size": 8,
    "split": "train",
}
_FILLED = {
    "query_net": ("class_names",),
    "embedding": ("class_count", "embedding_size"),
    "separator": ("condition_size",),
    "corpus": ("split",),
}
"""Kind -> the parameters that a check fills in even where they have a default."""


def examine(
    kind: str, factory: Callable[..., Any], parameters: Mapping[str, Any] | None = None
) -> Iterator[Outcome]:
    """Build a component and put it to every check of its kind, in the order of `CHECKS`, as they end.

    A check that needs what an earlier one found broken is not run, and says so.

    parameters: of the factory; what composition would fill in and is not given gets a small value.

    Raises:
        UnknownComponentError: there is no such kind.
        UserError: the parameters are wrong, or the factory refuses them.
    """
    kind = canonical_kind(kind)
    given = {**sample_parameters(kind, factory), **(parameters or {})}
    checked = check_parameters(factory, given, kind.replace("_", " "))

    def make(**changes: Any) -> Any:
        return factory(**{**checked, **changes})

    stopwatch, report = Stopwatch(), Report(note="without a network")
    component = _built(make, report)
    yield stopwatch.outcome("builds", report)
    if report.findings:
        for name in _CHECKS_OF_A_CORPUS if kind == "corpus" else _CHECKS_OF_A_NETWORK:
            yield Outcome(name, "not checked", "it was not built")
        return
    takes = frozenset(parameter.name for parameter in read_parameters(factory))
    class_count = checked.get("class_count") or _SAMPLES["class_count"]
    embedding_size = checked.get("embedding_size") or _SAMPLES["embedding_size"]
    yield from _examine_built(kind, component, class_count, embedding_size, make, takes, checked)


def check(
    kind: str, component: Any, *, class_count: int = 527, embedding_size: int = 2048
) -> list[Finding]:
    """What a component that is built already breaks of its kind's contract; nothing if it keeps it.

    A network is left in the mode, and with the weights, that it had. Nobody knows how to build it again,
    so `examine` sees more: the network that building may ask for, other channels, loading into a new one.

    class_count, embedding_size: sizes of the queries that an embedding strategy was built for.

    Raises:
        UnknownComponentError: there is no such kind.
    """
    outcomes = _examine_built(canonical_kind(kind), component, class_count, embedding_size)
    return [finding for outcome in outcomes for finding in outcome.findings]


def sample_parameters(kind: str, factory: Callable[..., Any]) -> dict[str, Any]:
    """Small values of the parameters that composition fills in, or a corpus is opened with.

    Only of those that the factory takes; a sample rate only where it has no default.
    """
    return {
        parameter.name: _SAMPLES[parameter.name]
        for parameter in read_parameters(factory)
        if parameter.name in _FILLED[canonical_kind(kind)]
        or (parameter.name == "sample_rate" and parameter.required)
    }


def _built(make: Callable[[], Any], report: Report) -> Any:
    """The component, or None and a finding. Its random weights are the same whenever it is examined."""
    import torch

    with refused_network() as asked, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            component = make()
        except Exception as error:
            if check_network_unused(asked, report):
                if isinstance(error, UserError):
                    raise
                report.expect(
                    False,
                    f"building it raised {one_line(error)}",
                    "let the factory's defaults build it, or raise a UserError that says what is missing",
                )
            return None
    check_network_unused(asked, report)
    return component


def _examine_built(
    kind: str,
    component: Any,
    class_count: int,
    embedding_size: int,
    make: Callable[..., Any] | None = None,
    takes: frozenset[str] = frozenset(),
    given: Mapping[str, Any] | None = None,
) -> Iterator[Outcome]:
    """The checks after building. given: what it was built with."""
    stopwatch = Stopwatch()
    report = Report()
    check_attributes(kind, component, report)
    check_given(kind, component, given or {}, report)
    if kind != "corpus":
        from registry.conformance.networks import examine_network

        yield from examine_network(
            kind, component, class_count, embedding_size, make, takes, report, stopwatch
        )
        return
    yield stopwatch.outcome("attributes", report)
    if report.findings:
        yield Outcome("clips", "not checked", RELIES_ON_ATTRIBUTES)
        return
    from registry.conformance.corpus import check_corpus

    report = Report()
    check_corpus(component, report)
    yield stopwatch.outcome("clips", report)
