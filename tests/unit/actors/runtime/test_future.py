"""Replies: awaited on loops, waited for in threads, given once."""

from __future__ import annotations

import asyncio
import threading
import traceback
from typing import TYPE_CHECKING, Any
from unittest import mock

import pykka
import pytest

from actors.runtime.future import LoopFuture
from actors.runtime.mailbox import Gate
from tests.unit.actors.stubs import Clerk, ask, clerk_of, mailbox_of, raising

if TYPE_CHECKING:
    from collections.abc import Callable


def in_thread(work: Callable[[], Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(asyncio.to_thread(work))


def all_of(*futures: pykka.Future[Any]) -> asyncio.Future[list[Any]]:
    return asyncio.gather(*[asyncio.ensure_future(each) for each in futures])


async def test_a_reply_is_given_once() -> None:
    future = LoopFuture[str]()
    future.set("first")

    with pytest.raises(asyncio.InvalidStateError):
        future.set("second")
    with pytest.raises(asyncio.InvalidStateError):
        future.set_exception((ValueError, ValueError(), None))
    with pytest.raises(asyncio.InvalidStateError):
        future.set_get_hook(lambda _timeout: "third")
    assert await future == "first"
    assert await future == "first"


async def test_a_derived_reply_can_not_be_given() -> None:
    future = LoopFuture[str]()
    future.set_get_hook(lambda _timeout: "computed")

    with pytest.raises(asyncio.InvalidStateError):
        future.set("given")
    assert await future == "computed"


async def test_an_exception_reaches_everyone_who_asks_for_the_reply() -> None:
    future = LoopFuture[str]()
    future.set_error(ZeroDivisionError())

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await future
    with pytest.raises(ZeroDivisionError):
        future.get()
    with pytest.raises(ZeroDivisionError):
        await in_thread(future.get)


async def test_an_error_that_answers_many_does_not_grow_with_each_who_hears_it() -> None:
    futures, error = [LoopFuture[str]() for _ in range(100)], ZeroDivisionError()
    waiting = [asyncio.ensure_future(each.within(20)) for each in futures]
    await asyncio.sleep(0)
    for each in futures:
        each.set_error(error)
    await asyncio.gather(*waiting, return_exceptions=True)

    assert len(list(traceback.walk_tb(error.__traceback__))) < 10


async def test_the_exception_being_handled_is_the_one_answered_with() -> None:
    future = LoopFuture[str]()
    try:
        raising(ZeroDivisionError())()
    except ZeroDivisionError:
        future.set_exception()

    with pytest.raises(ZeroDivisionError):
        await future


async def test_many_tasks_and_threads_wait_for_one_reply() -> None:
    future = LoopFuture[int]()
    tasks = [asyncio.ensure_future(future.within(20)) for _ in range(5)]
    threads = [in_thread(lambda: future.get(timeout=20)) for _ in range(3)]
    other_loops = [in_thread(lambda: asyncio.run(future.within(20))) for _ in range(3)]
    await asyncio.sleep(0)
    future.set(7)

    assert await asyncio.gather(*tasks, *threads, *other_loops) == [7] * 11


async def test_get_gives_a_reply_that_is_there_even_on_the_loop() -> None:
    future = LoopFuture[int]()
    with pytest.raises(RuntimeError, match="block the event loop"):
        future.get(timeout=1)
    future.set(7)

    assert future.get() == 7


async def test_a_thread_waits_no_longer_than_it_said() -> None:
    future = LoopFuture[int]()

    with pytest.raises(pykka.Timeout):
        await in_thread(lambda: future.get(timeout=0.01))


async def test_waiting_within_a_time_leaves_the_question_asked() -> None:
    future = LoopFuture[int]()

    with pytest.raises(TimeoutError):
        await future.within(0)
    future.set(7)
    assert await future.within(0) == 7


async def test_one_who_stops_waiting_does_not_keep_the_reply_from_the_others() -> None:
    future = LoopFuture[int]()
    first, second = (asyncio.ensure_future(future.within(20)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    future.set(7)

    assert await second == 7
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_loop_that_was_closed_while_it_waited_keeps_the_reply_from_nobody() -> None:
    future = LoopFuture[int]()

    def wait_and_leave() -> None:
        loop = asyncio.new_event_loop()
        waiting = future.__await__()
        asyncio.events._set_running_loop(loop)  # noqa: SLF001 -- a loop that ends in mid-wait
        next(waiting)
        asyncio.events._set_running_loop(None)  # noqa: SLF001
        loop.close()

    thread = threading.Thread(target=wait_and_leave)
    thread.start()
    thread.join(20)
    other = asyncio.ensure_future(future.within(20))
    await asyncio.sleep(0)
    future.set(7)

    assert await other == 7


async def test_a_reply_that_comes_while_one_begins_to_wait_is_seen() -> None:
    future, loop = LoopFuture[int](), asyncio.get_running_loop()

    def reply_first() -> asyncio.Future[None]:
        future.set(7)  # as another thread may, at any moment
        return asyncio.Future(loop=loop)

    with mock.patch.object(loop, "create_future", reply_first):
        assert await future.within(20) == 7


# -- what pykka derives from replies ---------------------------------------------------------


async def test_derived_replies_are_awaited_without_blocking_the_loop() -> None:
    gate = Gate()
    ref = Clerk.start(gate)
    gate.open = False
    numbers, two, three = ask(ref, [1, 2, 3]), ask(ref, 2), ask(ref, 3)
    derived = all_of(
        numbers.map(len),
        numbers.filter(lambda number: number > 1),
        two.join(three),
        numbers.reduce(lambda one, other: one + other),
        numbers.map(lambda _: None),
    )
    await asyncio.sleep(0)  # they wait in threads; were it the loop, nothing would go on
    gate.open = True
    mailbox_of(ref).wake()

    assert await derived == [3, [2, 3], [2, 3], 6, None]


async def test_a_derived_reply_is_computed_once() -> None:
    computed = list[int]()
    base = LoopFuture[int]()
    base.set(7)

    def compute(number: int) -> int:
        computed.append(number)
        return number + 1

    derived = base.map(compute)

    assert await derived == 8
    assert await derived == 8
    assert computed == [7]


async def test_an_exception_comes_out_of_what_was_derived_from_it() -> None:
    ref = Clerk.start()
    derived = ask(ref, raising(ZeroDivisionError())).map(str)

    with pytest.raises(ZeroDivisionError):
        await derived


async def test_pykkas_get_all_waits_in_a_thread_for_all_of_them() -> None:
    ref = Clerk.start()
    replies = [ask(ref, number) for number in range(3)]

    assert await in_thread(lambda: list(pykka.get_all(replies, timeout=20))) == [0, 1, 2]


async def test_a_stop_is_awaited_and_knows_whether_it_was_the_one_that_did_it() -> None:
    ref = Clerk.start()
    clerk = clerk_of(ref)

    assert await all_of(ref.stop(block=False), ref.stop(block=False)) == [True, True]
    assert await ref.stop(block=False) is False
    assert clerk.stops == 1


async def test_a_question_that_waits_nowhere_can_not_be_withdrawn() -> None:
    assert LoopFuture[int]().withdraw() is False
