"""Work shared by processes, some of which die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from registry.errors import UserError
from uss_plugins.separation.many.workers import Died, run_in_workers


def square_in(worker: int) -> Callable[[int], tuple[int, int, int]]:
    def square(item: int) -> tuple[int, int, int]:
        if item == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return item * item, worker, os.getpid()

    return square


def refuse(worker: int) -> Callable[[int], int]:
    raise UserError(f"worker {worker} has no model")


def die(worker: int) -> Callable[[int], int]:
    os._exit(9)


def test_a_worker_that_dies_costs_one_item(tmp_path: Path) -> None:
    results = dict(run_in_workers(square_in, list(range(8)), 2))
    assert results.pop(3) == Died(-signal.SIGKILL)
    pids = set()
    for item, result in results.items():
        assert not isinstance(result, Died)
        assert result[0] == item * item
        assert result[1] in (0, 1)
        pids.add(result[2])
    assert set(results) == {0, 1, 2, 4, 5, 6, 7}
    assert os.getpid() not in pids


def test_what_no_worker_can_do_is_told_once() -> None:
    with pytest.raises(UserError, match="has no model"):
        list(run_in_workers(refuse, [1, 2, 3], 2))


def test_workers_that_die_before_any_work_are_not_tried_for_ever() -> None:
    with pytest.raises(RuntimeError, match="a worker died"):
        list(run_in_workers(die, [1, 2, 3], 2))


def tell_process_in(worker: int) -> Callable[[int], int]:
    return lambda item: os.getpid()


def test_a_worker_that_dies_idle_costs_nothing() -> None:
    processes: list[int] = []
    for item, process in run_in_workers(tell_process_in, [1, 2, 3], 1):
        assert isinstance(process, int)
        processes.append(process)
        if item == 1:
            os.kill(process, signal.SIGKILL)
            while is_alive(process):
                time.sleep(0.02)
    assert len(processes) == 3
    assert len(set(processes)) == 2


def test_a_worker_that_dies_before_it_takes_its_item_costs_nothing() -> None:
    results = {}
    for item, process in run_in_workers(tell_process_in, [1, 2, 3], 1):
        assert isinstance(process, int)
        results[item] = process
        if item == 1:
            os.kill(process, signal.SIGSTOP)  # the next item is sent, and stays in its pipe
            Timer(1, os.kill, (process, signal.SIGKILL)).start()
    assert list(results) == [1, 2, 3]
    assert len(set(results.values())) == 2


def sleep_in(worker: int) -> Callable[[str], None]:
    def sleep(path: str) -> None:
        Path(path).write_text(str(os.getpid()))
        time.sleep(600)

    return sleep


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    told = tmp_path / "worker"
    program = (
        "from test_many_workers import sleep_in;"
        "from uss_plugins.separation.many.workers import run_in_workers;"
        f"list(run_in_workers(sleep_in, [{str(told)!r}], 1))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stderr=subprocess.DEVNULL,
    )
    while not (told.exists() and told.read_text()):
        assert parent.poll() is None
        time.sleep(0.02)
    parent.send_signal(number)
    parent.wait(60)
    deadline = time.monotonic() + 60
    while is_alive(int(told.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.02)
