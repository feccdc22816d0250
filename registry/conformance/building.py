"""Whether a component is built without a network, and says of itself what it was built with."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from registry.conformance.report import Report

DECLARED = {
    "query_net": ("sample_rate", "class_names", "embedding_size"),
    "embedding": ("condition_size",),
    "separator": ("sample_rate", "channels", "condition_size"),
    "corpus": ("sample_rate",),
}
"""Kind -> the attributes whose value is that of the parameter of their name, where there is one."""


class NetworkRefusedError(OSError):
    """What a component gets that asks for the network while it is built."""


@contextmanager
def refused_network() -> Iterator[list[str]]:
    """A block in which no connection can be made and no host looked up; gives what was asked for.

    Of this process; one that it starts is not watched.
    """
    asked: list[str] = []

    def refuse(address: object) -> NetworkRefusedError:
        asked.append(str(address))
        return NetworkRefusedError(
            f"a component is built without a network; it asked for {address}"
        )

    def guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
        def guard(self: socket.socket, address: Any) -> Any:
            if self.family != getattr(socket, "AF_UNIX", None):
                raise refuse(address)
            return connect(self, address)

        return guard

    def look_up(host: Any, *_arguments: Any, **_options: Any) -> Any:
        raise refuse(host)

    with (
        mock.patch.object(socket.socket, "connect", guarded(socket.socket.connect)),
        mock.patch.object(socket.socket, "connect_ex", guarded(socket.socket.connect_ex)),
        mock.patch.object(socket, "getaddrinfo", look_up),
        mock.patch.object(socket, "gethostbyname", look_up),
    ):
        yield asked


def check_network_unused(asked: list[str], report: Report) -> bool:
    """Nothing was asked of the network."""
    return report.expect(
        not asked,
        f"building it asked the network for {', '.join(dict.fromkeys(asked))}",
        "build with random weights; load published ones only where a parameter names them",
    )


def check_given(kind: str, component: Any, given: Mapping[str, Any], report: Report) -> None:
    """Sizes and rates that it was given are those that it declares."""
    for name in DECLARED[kind]:
        if name in given and given[name] is not None:
            wanted = tuple(given[name]) if name == "class_names" else given[name]
            value = getattr(component, name, "missing")
            report.expect(
                value == wanted,
                f"built with {name}={wanted!r:.60}, it says {value!r:.60}",
                f"set self.{name} from the parameter",
            )
