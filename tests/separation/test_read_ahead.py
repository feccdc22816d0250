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


def test_the_thread_has_ended_when_it_is_closed() -> None:
    before = threading.active_count()
    reading = read_ahead(iter(range(100)), 3)
    next(reading)
    reading.close()
    assert threading.active_count() == before
