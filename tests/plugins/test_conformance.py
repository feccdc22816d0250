"""The conformance check passes what keeps its contract, and names each fault of what does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from registry import UnknownComponentError, load_plugins
from registry.conformance import check
from registry.contracts import ClipUnreadableError, Event, QueryOutput

CLASSES = ("a", "b", "c")


class Net(nn.Module):
    """A query net that keeps its contract: 10 frames per second, an embedding of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.sample_rate = 800
        self.class_names = CLASSES
        self.embedding_size: int | None = 4
        self.frames_per_second: float | None = 10.0

    def forward(self, audio: Tensor) -> QueryOutput:
        frames = 1 + audio.shape[1] // 80
        loudness = audio.abs().mean(1, keepdim=True)
        clip = loudness.sigmoid().expand(-1, 3)
        return QueryOutput(clip, clip[:, None].expand(-1, frames, -1), loudness.expand(-1, 4))


class Strategy(nn.Module):
    """An embedding strategy that keeps its contract, with or without classes."""

    def __init__(self) -> None:
        super().__init__()
        self.condition_size, self.class_indexed, self.needs_classes = 3, True, False

    def forward(self, query: QueryOutput, classes: Tensor | None) -> Tensor:
        assert query.clip_probabilities is not None
        return query.clip_probabilities if classes is None else classes


class Fader(nn.Module):
    """A separator that keeps its contract: as loud as the condition says."""

    def __init__(self) -> None:
        super().__init__()
        self.sample_rate, self.channels, self.condition_size = 800, 2, 3

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return mixture * condition.mean(1)[:, None, None]


class Tones:
    """A corpus that keeps its contract and knows its truth."""

    def __init__(self) -> None:
        self.sample_rate = 800
        self.class_names, self.class_ids = CLASSES, ("/m/a", "/m/b", "/m/c")
        self.labels = np.eye(3, dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.labels)

    def clip(self, index: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.full(800, index / 3, dtype=np.float32)

    def events(self, index: int) -> list[Event]:
        return [Event(index, 0.0, 1.0)]

    def source(
        self, class_index: int, index: int, seconds: float
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.full(round(800 * seconds), 0.5, dtype=np.float32)


KEEPERS: dict[str, Callable[[], Any]] = {
    "query_net": Net,
    "embedding": Strategy,
    "separator": Fader,
    "corpus": Tones,
}


def found(kind: str, component: Any) -> list[str]:
    return [str(finding) for finding in check(kind, component, class_count=3, embedding_size=4)]


def altered_output(**changes: Callable[[Tensor], Any]) -> Net:
    """A net whose output is changed: field of the output -> what is made of it."""
    net = Net()
    net.register_forward_hook(
        lambda _net, _inputs, output: dataclasses.replace(
            output, **{name: change(getattr(output, name)) for name, change in changes.items()}
        )
    )
    return net


def altered(component: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        setattr(component, name, value)
    return component


@pytest.mark.parametrize("kind", KEEPERS)
def test_what_keeps_its_contract_passes(kind: str) -> None:
    assert found(kind, KEEPERS[kind]()) == []


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UnknownComponentError, match="'filter'"):
        check("filter", Net())


@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_left_in_its_mode(training: bool) -> None:
    net = Net().train(training)
    assert found("query-net", net) == []
    assert net.training is training


@pytest.mark.parametrize(
    ("kind", "attribute", "value", "finding"),
    [
        ("query_net", "sample_rate", 800.0, "sample_rate is 800.0; make it a positive int"),
        ("query_net", "class_names", ["a"], "class_names is ['a']; make it a tuple of different,"),
        ("query_net", "class_names", ("a", "a"), "class_names is ('a', 'a'); make it a tuple of"),
        ("query_net", "embedding_size", 0, "embedding_size is 0; make it a positive int or None"),
        ("query_net", "frames_per_second", -1.0, "frames_per_second is -1.0; make it a positive"),
        ("embedding", "condition_size", True, "condition_size is True; make it a positive int"),
        ("embedding", "class_indexed", None, "class_indexed is None; make it a bool"),
        ("separator", "channels", "2", "channels is '2'; make it a positive int"),
        ("corpus", "class_ids", ("a", ""), "class_ids is ('a', ''); make it a tuple of different"),
    ],
)
def test_a_wrong_attribute_is_named(kind: str, attribute: str, value: Any, finding: str) -> None:
    (only,) = found(kind, altered(KEEPERS[kind](), **{attribute: value}))
    assert only.startswith(finding)


def test_missing_attributes_are_all_named() -> None:
    findings = found("separator", nn.Identity())
    assert [finding.split()[0] for finding in findings] == [
        "sample_rate",
        "channels",
        "condition_size",
    ]


@pytest.mark.parametrize(
    ("net", "finding"),
    [
        (altered(Net(), embedding_size=5), "embedding has shape (2, 4); make it (2, 5)"),
        (altered(Net(), embedding_size=None), "embedding_size is None and embedding is Tensor;"),
        (altered(Net(), frames_per_second=None), "frames_per_second is None and frame_probab"),
        (
            altered(Net(), frames_per_second=20.0),
            "21 frames come of 1600 samples; make it about 40",
        ),
        (altered(Net(), class_names=()), "class_names is () and clip_probabilities is Tensor"),
        (altered_output(clip_probabilities=lambda p: p[:, :2]), "clip_probabilities has shape (2"),
        (altered_output(clip_probabilities=lambda p: p + 1), "clip_probabilities leave [0, 1]"),
        (altered_output(frame_probabilities=lambda p: p[0]), "frame_probabilities has shape"),
        (altered_output(embedding=lambda e: e.log()), "embedding of silence holds NaN or"),
        (altered_output(embedding=lambda e: e.int()), "embedding is Tensor; make it a floating"),
        (altered_output(embedding=lambda e: e - e.mean()), "embedding of an item depends on the"),
        (altered_output(clip_probabilities=lambda _: None), "class_names is ('a', 'b', 'c') and"),
    ],
)
def test_a_query_nets_fault_is_named(net: Net, finding: str) -> None:
    assert any(each.startswith(finding) for each in found("query_net", net))


class Returning(Fader):
    """A separator that returns what it is told to make of the mixture."""

    def __init__(self, estimate: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.estimate = estimate

    def forward(self, mixture: Tensor, condition: Tensor) -> Any:
        return self.estimate(mixture)


@pytest.mark.parametrize(
    ("estimate", "finding"),
    [
        (lambda mixture: mixture[:, :1], "the estimate has shape (1, 1, 1); make it (1, 2, 1)"),
        (lambda mixture: nn.functional.pad(mixture, (0, 1)), "the estimate has shape (1, 2, 2)"),
        (
            lambda mixture: mixture / mixture.norm(dim=-1, keepdim=True),
            "the estimate of silence holds NaN",
        ),
        (lambda mixture: mixture - mixture.mean(0), "the estimate of an item depends on the rest"),
        (lambda mixture: mixture.tolist(), "the estimate is list; make it a floating-point tensor"),
        (lambda mixture: mixture[..., 5], "calling it raised IndexError: index 5 is out of bounds"),
    ],
)
def test_a_separators_fault_is_named(estimate: Callable[[Tensor], Any], finding: str) -> None:
    assert any(each.startswith(finding) for each in found("separator", Returning(estimate)))


def test_a_strategys_faults_are_named() -> None:
    findings = found("embedding", altered(Strategy(), condition_size=4))
    assert findings[0] == "the condition has shape (2, 3); make it (2, 4)"
    assert findings[-1].startswith("it is class-indexed, and condition_size is 4, not 3;")
    needy = Strategy()
    needy.register_forward_pre_hook(lambda _, inputs: inputs[1].shape and None)
    (finding,) = found("embedding", needy)
    assert finding.startswith("calling it raised AttributeError: 'NoneType'")
    assert found("embedding", altered(needy, needs_classes=True)) == []


def test_a_network_must_be_a_module() -> None:
    (finding,) = found("separator", altered(Tones(), channels=1, condition_size=3))
    assert finding == "it is a Tones; make it a torch.nn.Module"


def unreadable(index: int) -> Any:
    raise ClipUnreadableError("clip.wav is cut short")


@pytest.mark.parametrize(
    ("attributes", "finding"),
    [
        ({"labels": np.eye(3)}, "labels is ndarray of shape (3, 3); make it a bool array"),
        ({"labels": np.ones((3, 2), np.bool_)}, "labels is ndarray of shape (3, 2); make it a"),
        ({"class_ids": ("/m/a",)}, "it has 3 class_names and 1 class_ids; give every class both"),
        ({"clip": lambda index: np.zeros(8)}, "a clip is ndarray float64 of shape (8,); make it"),
        ({"clip": lambda index: np.zeros(0, np.float32)}, "a clip has no samples; give a clip's"),
        ({"clip": lambda index: np.full(8, 2, np.float32)}, "a clip leaves [-1, 1] or holds NaN"),
        ({"clip": lambda index: np.full(8, np.nan, np.float32)}, "a clip leaves [-1, 1] or hold"),
        ({"clip": lambda index: {}["x"]}, "clip(0) raised KeyError: 'x'; give a clip's audio, or"),
        ({"events": lambda index: []}, "the events of a clip and its labels name different cla"),
    ],
)
def test_a_corpus_fault_is_named(attributes: dict[str, Any], finding: str) -> None:
    assert any(each.startswith(finding) for each in found("corpus", altered(Tones(), **attributes)))


def test_a_clip_that_differs_when_read_again_is_named() -> None:
    generator = np.random.default_rng(0)
    corpus = altered(Tones(), clip=lambda index: generator.random(8, dtype=np.float32))
    (finding,) = found("corpus", corpus)
    assert finding.startswith("a clip differs when read again; seed what is random")


def test_a_clip_that_says_it_is_unreadable_keeps_the_contract() -> None:
    assert found("corpus", altered(Tones(), clip=unreadable)) == []


def test_the_built_in_components_keep_their_contracts() -> None:
    plugins = load_plugins({})
    net = plugins.build("query_net", "cnn_small", class_names=CLASSES)
    assert check("query_net", net) == []
    for name in ("hard", "soft", "latent", "learnable"):
        sizes = {"class_count": 3, "embedding_size": 4}
        declared = {parameter.name for parameter in plugins.parameters("embedding", name)}
        given = {key: value for key, value in sizes.items() if key in declared}
        assert check("embedding", plugins.build("embedding", name, **given), **sizes) == []
    separator = plugins.build("separator", "resunet_small", condition_size=3, sample_rate=8000)
    assert check("separator", separator) == []


def test_findings_are_said_once_however_often_they_are_seen() -> None:
    findings = found("separator", Returning(lambda mixture: mixture.tolist()))
    assert len(findings) == 1
    assert torch.is_grad_enabled()
