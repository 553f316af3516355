"""pykka's hooks on the event loop: asking, telling, bounds and stopping, from loop and threads."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pykka
import pytest

from actors.domain.messages import DescribeOrder
from actors.errors import MailboxFull
from actors.runtime.actor import AsyncioActor
from actors.runtime.mailbox import Gate
from tests.unit.actors.stubs import Clerk, ask, clerk_of, mailbox_of, until

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_an_ask_is_awaited_without_a_thread() -> None:
    threads = threading.active_count()
    ref = Clerk.start()

    assert await ask(ref, "hello") == "hello"
    assert threading.active_count() == threads


async def test_coroutine_handlers_are_run_one_at_a_time_in_the_order_of_their_messages() -> None:
    ref, events = Clerk.start(), list[str]()

    def work(name: int) -> Callable[[], Any]:
        async def handle() -> None:
            events.append(f"begin {name}")
            await asyncio.sleep(0)
            events.append(f"end {name}")

        return handle

    await asyncio.gather(*(ask(ref, work(number)) for number in range(3)))

    assert events == ["begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2"]


async def test_an_ask_from_a_thread_blocks_that_thread_alone() -> None:
    ref, release = Clerk.start(), asyncio.Event()

    async def slow() -> str:
        await release.wait()
        return "done"

    thread = asyncio.create_task(asyncio.to_thread(ref.ask, slow, timeout=20))
    await until(lambda: clerk_of(ref).current is not None)
    release.set()

    assert await thread == "done"


async def test_an_ask_from_a_thread_gives_up_in_time_and_its_message_is_handled_all_the_same() -> (
    None
):
    gate = Gate()
    gate.open = False
    ref, handled = Clerk.start(gate), list[str]()

    with pytest.raises(pykka.Timeout):
        await asyncio.to_thread(ref.ask, lambda: handled.append("late"), timeout=0.01)
    gate.open = True
    mailbox_of(ref).wake()

    await until(lambda: handled == ["late"])


async def test_a_blocking_ask_on_the_loop_is_refused_instead_of_blocking_it() -> None:
    ref = Clerk.start()

    with pytest.raises(RuntimeError, match="block the event loop"):
        ref.ask("hello")


async def test_what_threads_tell_arrives_completely_and_in_each_ones_order() -> None:
    ref, seen = Clerk.start(), list[tuple[int, int]]()

    def tell_many(thread: int) -> None:
        for number in range(200):
            ref.tell(lambda number=number: seen.append((thread, number)))

    await asyncio.gather(*(asyncio.to_thread(tell_many, thread) for thread in range(4)))
    await until(lambda: len(seen) == 800)

    for thread in range(4):
        assert [number for who, number in seen if who == thread] == list(range(200))


async def test_a_full_mailbox_refuses_at_once_and_control_messages_still_find_room() -> None:
    gate = Gate()
    gate.open = False
    ref = Clerk.start(gate)
    mailbox_of(ref).capacity = 2
    waiting = [ask(ref, number) for number in range(2)]

    with pytest.raises(MailboxFull) as refused:
        ask(ref, "no room")
    with pytest.raises(MailboxFull):
        ref.tell("no room")
    control = ask(ref, DescribeOrder())
    stop = ref.stop(block=False)

    assert (refused.value.scope, refused.value.capacity) == ("mailbox", 2)
    assert gate.waiting == len(mailbox_of(ref)) == 4
    gate.open = True
    mailbox_of(ref).wake()
    assert [await each for each in waiting] == [0, 1]
    assert await control == DescribeOrder()
    assert await stop is True


async def test_a_full_node_refuses_for_a_mailbox_that_has_room() -> None:
    gate = Gate(max_waiting=1)
    gate.open = False
    first, second = Clerk.start(gate), Clerk.start(gate)
    ask(first, 1)

    with pytest.raises(MailboxFull) as refused:
        ask(second, 2)

    assert refused.value.scope == "node"
    assert gate.waiting == 1


async def test_a_thread_that_finds_the_mailbox_full_is_told_so_and_nothing_is_added() -> None:
    gate = Gate()
    gate.open = False
    ref = Clerk.start(gate)
    mailbox_of(ref).capacity = 1

    def ask_three() -> list[Any]:
        return [ref.ask(number, block=False) for number in range(3)]

    # While the loop is busy with this turn the mailbox looks empty to the thread.
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.extend(ask_three()))
    thread.start()
    thread.join(20)

    for refused in results[1:]:
        with pytest.raises(MailboxFull):
            await refused
    assert gate.waiting == 1


async def test_what_is_told_from_a_thread_to_a_full_mailbox_is_logged_as_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()
    gate.open = False
    ref = Clerk.start(gate)
    mailbox_of(ref).capacity = 1

    def tell_two() -> None:
        ref.tell(1)
        ref.tell(2)

    thread = threading.Thread(target=tell_two)
    thread.start()
    thread.join(20)

    await until(lambda: "found its mailbox full" in caplog.text)
    assert gate.waiting == 1


async def test_a_stopped_actor_handles_what_came_before_and_answers_the_rest_that_it_is_dead() -> (
    None
):
    gate = Gate()
    gate.open = False
    ref = Clerk.start(gate)
    before, stop, after = ask(ref, "before"), ref.stop(block=False), ask(ref, "after")
    second_stop = ref.stop(block=False)
    clerk = clerk_of(ref)
    gate.open = True
    mailbox_of(ref).wake()

    assert await before == "before"
    assert await stop is True
    assert await second_stop is True
    with pytest.raises(pykka.ActorDeadError):
        await after
    with pytest.raises(pykka.ActorDeadError):
        await ask(ref, "later")
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("later")
    assert await ref.stop(block=False) is False
    assert clerk.stops == 1
    assert (gate.waiting, gate.active) == (0, 0)


async def test_a_thread_stops_an_actor_as_pykka_users_expect() -> None:
    ref = Clerk.start()

    assert await asyncio.to_thread(ref.stop, timeout=20) is True
    assert await asyncio.to_thread(ref.stop, timeout=20) is False


async def test_a_thread_whose_message_arrives_after_the_end_is_told_so() -> None:
    ref, asked = Clerk.start(), list[Any]()
    thread = threading.Thread(target=lambda: asked.append(ref.ask("late", block=False)))
    thread.start()
    thread.join(20)  # the message is on its way: the loop has not turned
    ref.actor_stopped.set()

    with pytest.raises(pykka.ActorDeadError):
        await asked[0]


async def test_an_actor_whose_start_raises_is_dead_and_not_listed() -> None:
    class Stillborn(Clerk):
        in_registry = True

        def on_start(self) -> None:
            raise ZeroDivisionError

    ref = Stillborn.start()

    assert not ref.is_alive()
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is None
    with pytest.raises(pykka.ActorDeadError):
        await ask(ref, "hello")


async def test_only_actors_that_want_it_are_in_pykkas_registry() -> None:
    class Listed(Clerk):
        in_registry = True

    listed, unlisted = Listed.start(), Clerk.start()

    assert pykka.ActorRegistry.get_by_urn(listed.actor_urn) is listed
    assert pykka.ActorRegistry.get_by_urn(unlisted.actor_urn) is None
    assert await listed.stop(block=False)
    assert pykka.ActorRegistry.get_by_urn(listed.actor_urn) is None


async def test_a_proxy_reads_and_calls_as_pykka_users_expect() -> None:
    class Counter(AsyncioActor):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        async def add(self, number: int) -> int:
            await asyncio.sleep(0)
            self.count += number
            return self.count

    ref = Counter.start()
    proxy: Any = ref.proxy()

    assert await proxy.add(2) == 2
    assert await proxy.add(3) == 5
    assert await proxy.count == 5
    await ref.stop(block=False)


class _Inline(Clerk):
    inline = True


async def test_an_inline_actor_has_answered_when_its_message_is_put_and_outlives_an_error() -> None:
    ref, seen = _Inline.start(), list[str]()

    def fail() -> None:
        raise ValueError("no")

    def ask_myself() -> str:
        ref.tell(lambda: seen.append("what it was told meanwhile"))
        seen.append("first")
        return "done"

    replies = [ref.ask(work, block=False) for work in (fail, ask_myself)]

    assert all(reply.done() for reply in replies)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="no"):
        await replies[0]
    assert await replies[1] == "done"
    assert seen == ["first", "what it was told meanwhile"]
    assert mailbox_of(ref).stats().handled == 3


async def test_a_mailbox_that_is_asked_by_itself_answers_as_its_ref_does() -> None:
    ref = Clerk.start()
    mailbox = mailbox_of(ref)
    assert await mailbox.ask("hello") == "hello"

    mailbox.capacity, mailbox.paused = 1, True
    waiting = mailbox.ask("waits")
    with pytest.raises(MailboxFull):
        mailbox.ask("finds no room")
    describing = mailbox.ask(DescribeOrder())
    mailbox.release()
    assert await waiting == "waits"
    assert await describing == DescribeOrder()

    await ref.stop(block=False)
    with pytest.raises(pykka.ActorDeadError):
        await mailbox.ask("too late")
