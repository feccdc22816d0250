"""Whether a network's weights hold all that it is: saved and loaded, it computes the same."""

from __future__ import annotations

import torch
from safetensors.torch import load, save
from torch import nn

from registry.conformance.report import Report
from registry.conformance.subject import Subject
from registry.plugins import one_line


def check_storing(subject: Subject, report: Report) -> None:
    """Weights in safetensors, read into the component built anew, give the same output, bit by bit.

    A component that nobody can build again has its own weights overwritten, then loaded.
    """
    subject.stir()
    _settle_statistics(subject)
    network = subject.network.eval()
    inputs = subject.inputs(1)
    with torch.no_grad():
        data = _saved(network, report)
        torch.manual_seed(0)  # what is drawn at random while it is called is another check's
        before = subject.call(*inputs)
        if data is None:
            return
        torch.manual_seed(1)
        other = network if subject.make is None else subject.make().eval()
        if subject.make is None:
            subject.stir()
        if not _load(other, data, report):
            return
        twin = Subject(subject.kind, other, subject.class_count, subject.embedding_size)
        torch.manual_seed(0)
        for name, after in twin.call(*inputs).items():
            report.expect(
                torch.equal(before[name].nan_to_num(), after.nan_to_num()),
                f"{name} differs after saving and loading",
                "register what the output depends on as a parameter or a buffer, or derive it from"
                " the factory's parameters",
            )
    report.note = "safetensors into " + (
        "the same object (it cannot be built again here)" if subject.make is None else "a new one"
    )


def _settle_statistics(subject: Subject) -> None:
    """Have running statistics differ from those that the network starts with."""
    subject.network.train()
    with torch.no_grad():
        subject.call(*subject.inputs(2, seed=4))


def _saved(network: nn.Module, report: Report) -> bytes | None:
    try:
        return save({key: value.contiguous() for key, value in network.state_dict().items()})
    except Exception as error:  # extra state that is no tensor, tensors that share memory
        report.expect(
            False,
            f"its weights cannot be saved: {one_line(error):.200}",
            "keep only tensors in the state, each under one name",
        )
        return None


def _load(network: nn.Module, data: bytes, report: Report) -> bool:
    try:
        network.load_state_dict(load(data))
    except Exception as error:  # keys or shapes that a new one does not have
        return report.expect(
            False,
            f"its weights do not load into the same component built anew: {one_line(error):.200}",
            "create all parameters and buffers while building",
        )
    return True
