"""A composed model that separates by forms for inference, and the precision they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from uss_plugins.embeddings.soft import SoftEmbedding
from uss_plugins.query_nets.panns import cnn_small
from uss_plugins.separation import precision
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separation.precision import choose_precision
from uss_plugins.separators.resunet import resunet_small

NAMES = ("a", "b", "c")
RATE = 8000


class Halves(nn.Module):
    """A separator without a form for inference."""

    sample_rate, channels, condition_size = RATE, 1, len(NAMES)

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        return mixture / 2


def model(separator: nn.Module | None = None) -> UniversalSeparator:
    torch.manual_seed(0)
    separator = separator or resunet_small(
        condition_size=len(NAMES),
        sample_rate=RATE,
        stage_channels=(8, 8),
        window_size=64,
        hop_size=16,
    )
    return UniversalSeparator(cnn_small(RATE, NAMES), SoftEmbedding(len(NAMES)), separator).eval()  # type: ignore[arg-type]


def counted(one: UniversalSeparator) -> list[str]:
    """The calls of the components themselves, not of their forms for inference."""
    calls: list[str] = []
    one.separator.register_forward_hook(lambda *_: calls.append("separator"))
    one.query_net.register_forward_hook(lambda *_: calls.append("query net"))
    return calls


def test_uses_the_forms_where_nothing_is_trained() -> None:
    one, mixture, condition = model(), 0.1 * torch.randn(2, 1, 4000), torch.rand(2, len(NAMES))
    with torch.no_grad():
        exact, heard = one(mixture, condition), one.listen(mixture[:, 0])
    keys = list(one.state_dict())
    calls = counted(one)
    assert one.prepare()
    with torch.inference_mode():
        estimate, again = one(mixture, condition), one.listen(mixture[:, 0])
    assert calls == []
    torch.testing.assert_close(estimate, exact, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(again.embedding, heard.embedding, rtol=1e-4, atol=1e-5)
    assert list(one.state_dict()) == keys


def test_trains_on_with_the_components_themselves() -> None:
    one, mixture, condition = model(), 0.1 * torch.randn(2, 1, 4000), torch.rand(2, len(NAMES))
    one.prepare(torch.bfloat16)
    calls = counted(one)
    one(mixture, condition).sum().backward()
    assert all(parameter.grad is not None for parameter in one.separator.parameters())
    with torch.no_grad():
        one.train()(mixture, condition)
    assert calls == ["separator", "separator"]


def test_a_separator_without_such_a_form_is_used_as_it_is() -> None:
    one, mixture = model(Halves()), torch.randn(1, 1, 100)
    assert not one.prepare(torch.bfloat16)
    with torch.no_grad():
        assert torch.equal(one(mixture, torch.rand(1, len(NAMES))), mixture / 2)


def test_of_several_cards_the_given_one_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    current: list[torch.device] = []

    @contextmanager
    def chosen(device: torch.device) -> Iterator[None]:
        current.append(device)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, "device", chosen)
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation: current == [torch.device("cuda:1")],
    )
    assert choose_precision("auto", "cuda:1") == torch.bfloat16
    assert choose_precision("auto", "cuda:0") == torch.float32


@pytest.mark.parametrize(("native", "automatic"), [(True, torch.bfloat16), (False, torch.float32)])
def test_precisions(monkeypatch: pytest.MonkeyPatch, native: bool, automatic: torch.dtype) -> None:
    monkeypatch.setattr(precision, "has_native_bf16", lambda device: native)
    assert choose_precision("auto") == automatic
    assert choose_precision("fp32") == torch.float32
    assert choose_precision("bf16") == torch.bfloat16
