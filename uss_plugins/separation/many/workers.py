"""Work done by several processes at once, which may die without stopping the others."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, TypeVar

from registry.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Item], Result]
PATIENCE_SECONDS = 10.0
"""How long a worker that was told to stop may take to tidy up."""


class Died(NamedTuple):
    """Instead of a result: the worker's end. `exit_code` is minus the signal's number, if one killed it."""

    exit_code: int | None


def run_in_workers(
    prepare: Callable[[int], Work[Item, Result]], items: Sequence[Item], workers: int
) -> Generator[tuple[Item, Result | Died], None, None]:
    """Do the work on each item, in the order of what is ready first.

    Each worker is a new process that calls `prepare` with its number, and what that returns with one item
    after the other. One that dies, as the system ends processes when memory is short, costs its item only:
    another takes its place. `prepare`, items and results must be picklable.

    Raises:
        UserError: `prepare` raised it in a worker.
        RuntimeError: a worker died while preparing.
    """
    waiting = list(reversed(items))
    crew: dict[Connection, tuple[BaseProcess, int]] = {}
    working: dict[Connection, Item] = {}
    try:
        for number in range(min(workers, len(items))):
            _start(crew, prepare, number)
        while crew:
            for connection in wait(list(crew)):
                assert isinstance(connection, Connection)
                process, number = crew[connection]
                try:
                    result = connection.recv()
                except EOFError:
                    del crew[connection]
                    process.join()
                    if connection not in working:
                        raise RuntimeError(f"a worker died ({process.exitcode})") from None
                    yield working.pop(connection), Died(process.exitcode)
                    if waiting:
                        _start(crew, prepare, number)
                    continue
                if isinstance(result, UserError):
                    raise result
                if connection in working:
                    yield working.pop(connection), result
                if waiting:
                    working[connection] = waiting.pop()
                    connection.send(working[connection])
                else:
                    del crew[connection]
                    connection.close()
                    process.join()
    finally:
        for process, _ in crew.values():
            process.terminate()
        for process, _ in crew.values():
            process.join(PATIENCE_SECONDS)
            if process.is_alive():
                process.kill()


def _start(
    crew: dict[Connection, tuple[BaseProcess, int]],
    prepare: Callable[[int], Work[Any, Any]],
    number: int,
) -> None:
    context = multiprocessing.get_context(
        "spawn"
    )  # a fork would copy locks that other threads hold
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, prepare, number))
    process.start()
    theirs.close()
    crew[ours] = process, number


def _serve(connection: Connection, prepare: Callable[[int], Work[Any, Any]], number: int) -> None:
    """A worker's life. An interruption is for the parent, which then asks for an end by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work = prepare(number)
    except UserError as error:
        connection.send(error)
        return
    connection.send(None)
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        connection.send(work(item))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
