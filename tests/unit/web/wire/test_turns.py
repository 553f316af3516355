"""Turns of readers: bounded, fair, and given back whatever happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, suppress

import pytest

from web.wire.turns import ReadTurns, Turns


class Readers:
    """Readers that have their turn until they are told to go on."""

    def __init__(self, rows_at_once: int) -> None:
        self.turns = Turns(rows_at_once)
        self.order: list[str] = []
        self.at_work: Counter[str] = Counter()
        self._done: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, name: str, rows: int, caller: str = "a") -> asyncio.Task[None]:
        task = asyncio.create_task(self._read(name, rows, caller))
        self._tasks.append(task)
        await settle()
        return task

    async def _read(self, name: str, rows: int, caller: str) -> None:
        async with self.turns.take(caller, rows):
            self.order.append(name)
            self.at_work[name] = rows
            done = asyncio.Event()
            self._done.append(done)
            try:
                await done.wait()
            finally:
                self._done.remove(done)
                del self.at_work[name]

    async def finish_one(self) -> None:
        self._done[0].set()
        await settle()

    async def finish_all(self) -> None:
        while self._done:
            await self.finish_one()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_rows_than_allowed_are_at_work() -> None:
    readers = Readers(100)
    for number in range(20):
        await readers.come(str(number), 40)
    most = 0
    while readers.at_work:
        most = max(most, readers.at_work.total())
        await readers.finish_one()
    assert most == 80
    assert readers.order == [str(each) for each in range(20)]
    await readers.finish_all()


async def test_more_rows_than_all_that_are_allowed_have_their_turn_alone() -> None:
    readers = Readers(100)
    await readers.come("first", 60)
    await readers.come("huge", 1_000)
    await readers.come("last", 60)
    assert readers.order == ["first"]
    await readers.finish_one()
    assert list(readers.at_work) == ["huge"]
    await readers.finish_all()
    assert readers.order == ["first", "huge", "last"]


async def test_a_caller_with_many_requests_does_not_keep_another_from_its_turn() -> None:
    readers = Readers(100)
    for number in range(5):
        await readers.come(f"greedy-{number}", 100, "greedy")
    await readers.come("other-0", 100, "other")
    await readers.come("other-1", 100, "other")
    await readers.finish_all()
    assert readers.order[:5] == ["greedy-0", "greedy-1", "other-0", "greedy-2", "other-1"]


async def test_small_requests_do_not_wait_for_large_ones_and_are_bounded_too() -> None:
    turns = ReadTurns()
    async with turns.take("a", 500), turns.take("a", 500):
        async with AsyncExitStack() as small:
            for _ in range(10):
                await small.enter_async_context(turns.take("a", 50))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0), turns.take("b", 1):
                    pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), turns.take("b", 51):
                pass


async def test_exports_keep_nobody_waiting_but_exports() -> None:
    turns = ReadTurns()
    async with turns.export("a"), turns.export("a"):
        async with asyncio.timeout(100), turns.take("b", 1_000), turns.take("b", 50):
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), turns.export("b"):
                pass


async def test_who_gives_up_leaves_its_place_to_others() -> None:
    readers = Readers(100)
    await readers.come("first", 60)
    waiting = await readers.come("large", 100)
    await readers.come("behind", 60)
    waiting.cancel()
    await readers.finish_one()
    assert readers.order == ["first", "behind"]
    at_work = await readers.come("at work", 40)
    at_work.cancel()
    await settle()
    await readers.come("next", 40)
    assert sorted(readers.at_work) == ["behind", "next"]
    await readers.finish_all()


async def test_who_gives_up_just_as_its_turn_comes_gives_the_rows_back() -> None:
    readers = Readers(100)
    await readers.come("first", 100)
    late = await readers.come("late", 100)
    readers._done[0].set()  # noqa: SLF001 -- without the time that `finish_one` leaves
    await asyncio.sleep(0)
    late.cancel()
    await settle()
    await readers.come("next", 100)
    assert list(readers.at_work) == ["next"]
    await readers.finish_all()
