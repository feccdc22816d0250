"""Runs pieces of work, each in a process of its own, some at a time; what has ended never runs again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from uss_plugins.benchmarking.launch import Slots
from uss_plugins.benchmarking.results import Outcome, now, read_outcome, store_outcome
from uss_plugins.benchmarking.work import Work
from uss_plugins.launched import Place

POLL_SECONDS = 0.5
Report = Callable[[Work, Outcome], None]


@dataclass(frozen=True)
class Running:
    """A process at work."""

    process: BaseProcess
    work: Work
    slot: int
    started: float


def run_phase(works: Sequence[Work], slots: Slots, place: Place, report: Report) -> None:
    """Run those works that are this process's and have not ended, then wait for those of the others.

    report: called with each of this process's works that ends.
    """
    mine = place.share_of(works)
    waiting = deque(work for work in mine if read_outcome(work.folder) is None)
    free = list(range(slots.jobs))
    running: list[Running] = []
    try:
        while waiting or running:
            while waiting and free:
                work = waiting.popleft()
                missing = failed_need(work)
                if missing is not None:
                    store_outcome(work.folder, never_ran(work, missing))
                    tell(work, report)
                    continue
                running.append(start(work, free.pop(0), slots, place))
            if not running:
                break  # all that was left needs what has failed, and a wait for nothing never ends
            wait([one.process.sentinel for one in running])
            for one in [one for one in running if one.process.exitcode is not None]:
                running.remove(one)
                free.append(one.slot)
                if read_outcome(one.work.folder) is None:
                    store_outcome(one.work.folder, died(one))
                tell(one.work, report)
    finally:
        for one in running:
            one.process.kill()
            one.process.join()
    await_others(works)


def start(work: Work, slot: int, slots: Slots, place: Place) -> Running:
    """Start the process of a piece of work."""
    from uss_plugins.benchmarking.process import run_work

    arguments = (work, slots.device, slots.device_index(slot, place), slots.threads)
    process = context().Process(target=run_work, args=arguments)
    process.start()
    return Running(process, work, slot, time.monotonic())


def context() -> Any:
    """How processes start: where there are forks, from a server that has imported everything already."""
    if os.name != "posix":
        return multiprocessing.get_context("spawn")
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["uss_plugins.benchmarking.process"])
    return server


def failed_need(work: Work) -> str | None:
    """Why a piece of work cannot be done: what it needs has failed."""
    for folder in work.needs:
        outcome = read_outcome(folder)
        if outcome is None or outcome.error is not None:
            name, error = (outcome.name, outcome.error) if outcome else (folder.name, "not made")
            return f"needs {name}: {error}"
    return None


def never_ran(work: Work, error: str) -> Outcome:
    """The outcome of work that could not begin."""
    return Outcome(work.kind, work.name, error, seconds=0.0, finished=now())


def died(one: Running) -> Outcome:
    """The outcome of a process that ended without leaving one."""
    code = one.process.exitcode or 0
    if code < 0:
        killed = " (out of memory?)" if -code == signal.SIGKILL else ""
        error = f"its process was ended by {signal.Signals(-code).name}{killed}"
    else:
        error = f"its process ended with exit code {code}; see log.txt in its folder"
    seconds = round(time.monotonic() - one.started, 1)
    return Outcome(one.work.kind, one.work.name, error, seconds=seconds, finished=now())


def tell(work: Work, report: Report) -> None:
    """Report an outcome that is stored."""
    outcome = read_outcome(work.folder)
    assert outcome is not None
    report(work, outcome)


def await_others(works: Sequence[Work]) -> None:
    """Return once all works have ended, in whatever process."""
    while any(read_outcome(work.folder) is None for work in works):
        time.sleep(POLL_SECONDS)
