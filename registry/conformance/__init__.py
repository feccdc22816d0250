"""Whether a component keeps its contract: for authors of plug-ins, and for our own tests.

assert check("separator", MyNet(condition_size=4)) == []
"""

from __future__ import annotations

from typing import Any

from registry.conformance.attributes import check_attributes
from registry.conformance.report import Finding, Report
from registry.plugins import canonical_kind, one_line

__all__ = ["Finding", "check"]


def check(
    kind: str, component: Any, *, class_count: int = 527, embedding_size: int = 2048
) -> list[Finding]:
    """What a component breaks of its kind's contract; nothing if it keeps it.

    A network is called in eval mode and without gradients, and left in the mode it was in.

    class_count, embedding_size: sizes of the queries that an embedding strategy was built for.

    Raises:
        UnknownComponentError: there is no such kind.
    """
    kind = canonical_kind(kind)
    report = Report()
    check_attributes(kind, component, report)
    if report.findings:
        return report.findings  # what follows relies on the attributes
    if kind == "corpus":
        from registry.conformance.corpus import check_corpus

        check_corpus(component, report)
    else:
        _check_network(kind, component, report, class_count, embedding_size)
    return report.findings


def _check_network(
    kind: str, network: Any, report: Report, class_count: int, embedding_size: int
) -> None:
    import torch

    from registry.conformance import networks

    if not report.expect(
        isinstance(network, torch.nn.Module),
        f"it is a {type(network).__name__}",
        "make it a torch.nn.Module",
    ):
        return
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            if kind == "query_net":
                networks.check_query_net(network, report)
            elif kind == "embedding":
                networks.check_embedding(network, report, class_count, embedding_size)
            else:
                networks.check_separator(network, report)
    except Exception as error:  # a call that fails is a finding like any other
        report.expect(False, f"calling it raised {one_line(error)}", "take any batch and length")
    finally:
        network.train(training)
