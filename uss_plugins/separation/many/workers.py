"""Work done by several processes at once, which may die without stopping the others."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, NamedTuple, TypeVar

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
    after the other. One that dies, as the system ends processes when memory is short, costs its item only,
    if it had taken one: another takes its place. `prepare`, items and results must be picklable.

    Raises:
        UserError: `prepare` raised it in a worker.
        RuntimeError: a worker died while preparing.
    """
    crew = _Crew(prepare, items)
    try:
        for number in range(min(workers, len(items))):
            crew.start(number)
        while crew.connections:
            for connection in wait(crew.connections):
                assert isinstance(connection, Connection)
                yield from crew.hear(connection)
    finally:
        crew.end()


class _Crew(Generic[Item, Result]):
    """The workers of one run, each at the other end of a connection, and what they have to do."""

    def __init__(self, prepare: Callable[[int], Work[Item, Result]], items: Sequence[Item]) -> None:
        self._prepare = prepare
        self._waiting = list(reversed(items))
        self._workers: dict[Connection, tuple[BaseProcess, int]] = {}
        self._working: dict[Connection, Item] = {}

    @property
    def connections(self) -> list[Connection]:
        """Those of the workers that are there."""
        return list(self._workers)

    def start(self, number: int) -> None:
        """Start a worker."""
        context = multiprocessing.get_context(
            "spawn"
        )  # a fork would copy locks that other threads hold
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._prepare, number))
        process.start()
        theirs.close()
        self._workers[ours] = process, number

    def hear(self, connection: Connection) -> Iterator[tuple[Item, Result | Died]]:
        """What came of a worker's item, if it had one; then give it the next."""
        try:
            result = connection.recv()
        except (EOFError, OSError) as error:
            died, number = self._bury(connection)
            if connection not in self._working:
                raise RuntimeError(f"a worker died ({died.exit_code})") from None
            item = self._working.pop(connection)
            if isinstance(error, ConnectionResetError):  # it died before it took the item
                self._waiting.append(item)
            else:
                yield item, died
            if self._waiting:
                self.start(number)
        else:
            if isinstance(result, UserError):
                raise result
            if connection in self._working:
                yield self._working.pop(connection), result
            self._occupy(connection)

    def end(self) -> None:
        """End all who are there, whatever they are at."""
        for process, _ in self._workers.values():
            process.terminate()
        for process, _ in self._workers.values():
            process.join(PATIENCE_SECONDS)
            if process.is_alive():
                process.kill()

    def _occupy(self, connection: Connection) -> None:
        """Give a worker the next item, or let it go; one that died after its last result is replaced."""
        if not self._waiting:
            self._bury(connection)
            return
        try:
            connection.send(self._waiting[-1])
            self._working[connection] = self._waiting.pop()
        except OSError:
            _, number = self._bury(connection)
            self.start(number)

    def _bury(self, connection: Connection) -> tuple[Died, int]:
        """See a worker off, which ends when its connection does; its end, and its number."""
        process, number = self._workers.pop(connection)
        connection.close()
        process.join()
        return Died(process.exitcode), number


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
