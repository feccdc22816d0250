"""The next segment is read while one is worked on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from uss_plugins.separation.reading import read_ahead


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_all_items_come_in_order(ahead: int, count: int) -> None:
    assert list(read_ahead(iter(range(count)), ahead)) == list(range(count))


@pytest.mark.parametrize("ahead", [1, 3])
def test_the_next_items_are_made_meanwhile_by_another_thread_and_no_more(ahead: int) -> None:
    made = threading.Semaphore(0)
    count = 0
    threads = set()

    def items() -> Iterator[int]:
        nonlocal count
        while True:
            threads.add(threading.get_ident())
            count += 1
            made.release()
            yield count

    with closing(read_ahead(items(), ahead)) as reading:
        for expected in range(1, 6):
            assert next(reading) == expected
            # While this one is worked on, `ahead` more are made without being asked for.
            while count < expected + ahead:
                made.acquire(timeout=10)
            assert count == expected + ahead
    assert threads.isdisjoint({threading.get_ident()})
    assert len(threads) == 1


def test_an_error_comes_in_its_turn() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("gone")

    reading = read_ahead(items(), 2)
    assert [next(reading), next(reading)] == [1, 2]
    with pytest.raises(OSError, match="gone"):
        next(reading)


def test_the_thread_ends_when_it_is_closed() -> None:
    thread: list[threading.Thread] = []

    def items() -> Iterator[int]:
        thread.append(threading.current_thread())
        yield from range(100)

    reading = read_ahead(items(), 3)
    next(reading)
    reading.close()
    thread[0].join(60)
    assert not thread[0].is_alive()


def test_nobody_waits_for_an_item_that_does_not_come() -> None:
    coming = threading.Event()

    threads = []

    def items() -> Iterator[int]:
        threads.append(threading.current_thread())
        yield 1
        coming.wait(60)
        yield 2

    reading = read_ahead(items(), 2)
    assert next(reading) == 1
    reading.close()
    assert not coming.is_set()
    (waiting,) = threads
    assert waiting.daemon
    coming.set()
    waiting.join(60)
