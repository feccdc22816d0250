"""The hooks, one per kind of component; a plug-in implements those that it has components for.

A new kind is one Protocol in `contracts`, one hook here, and one check in `conformance`.
"""

from __future__ import annotations

from typing import Protocol

import pluggy

PROJECT = "uss_plugins"
"""pluggy's name for this project, and the group of entry points that plug-ins are found in."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """What a hook is given: call it once per component."""

    def __call__(self, name: str, factory: str, *, summary: str) -> None:
        """Register a component.

        name: what recipes and users call it; letters, digits, `_`, `-` and `.`.
        factory: import string, "package.module:attribute", of a class or function that makes it.
        summary: one line for `uss-plugins list`.
        """
        ...


@hookspec
def register_query_nets(register: Register) -> None:
    """Register nets that turn audio into a query (`contracts.QueryNet`)."""


@hookspec
def register_embeddings(register: Register) -> None:
    """Register strategies that turn a query into a condition (`contracts.EmbeddingStrategy`)."""


@hookspec
def register_separators(register: Register) -> None:
    """Register nets that extract what a condition describes (`contracts.Separator`)."""


@hookspec
def register_corpora(register: Register) -> None:
    """Register corpora of weakly labelled clips (`contracts.Corpus`)."""


HOOKS: dict[str, str] = {
    "query_net": "register_query_nets",
    "embedding": "register_embeddings",
    "separator": "register_separators",
    "corpus": "register_corpora",
}
"""Kind of component -> the hook that registers it."""
