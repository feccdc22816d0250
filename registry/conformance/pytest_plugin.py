"""The fixture `check_component`, for the tests of plug-ins. In their `conftest.py`:

pytest_plugins = ["registry.conformance.pytest_plugin"]

It is asked for by name rather than found by pytest, so that it costs nobody else's tests anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from registry.conformance import Outcome, examine
from registry.loading import load_plugins


class CheckComponent(Protocol):
    """Fails the test, with a line for each check that fails, unless a component keeps its contract."""

    def __call__(
        self, kind: str, component: str | Callable[..., Any], **parameters: Any
    ) -> list[Outcome]:
        """The outcomes, all of them passed.

        kind: query_net, embedding, separator or corpus.
        component: the name it is registered under, or its factory.
        parameters: of the factory; what composition would fill in gets a small value.
        """
        ...


@pytest.fixture(scope="session")
def check_component() -> CheckComponent:
    """Put a component to all checks of its kind; see `CheckComponent`."""

    def check(kind: str, component: str | Callable[..., Any], **parameters: Any) -> list[Outcome]:
        factory = component if callable(component) else load_plugins().factory(kind, component)
        outcomes = list(examine(kind, factory, parameters))
        wrong = [outcome for outcome in outcomes if outcome.status == "failed"]
        if wrong:
            lines = "\n".join(f"{outcome.check}: {outcome.reason}" for outcome in wrong)
            pytest.fail(f"{kind} {component} breaks its contract\n{lines}", pytrace=False)
        return outcomes

    return check
