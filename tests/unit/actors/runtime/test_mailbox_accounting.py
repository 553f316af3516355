"""What an actor holds while idle, several messages taken at once, and what is counted."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING

import pytest

from actors.errors import MailboxFull
from actors.runtime.delivery import Delivery
from actors.runtime.mailbox import Gate
from tests.unit.actors.owner import turns
from tests.unit.actors.stubs import (
    Clerk,
    Gatherer,
    ask,
    clerk_of,
    mailbox_of,
    raising,
    until,
)

if TYPE_CHECKING:
    from pykka import ActorRef

    from actors.runtime.future import LoopFuture


async def test_a_handler_takes_what_waits_from_the_head_up_to_its_limit() -> None:
    gate = Gate()
    ref = Gatherer.start(gate)
    replies = [ask(ref, each) for each in [*range(12), "a word", 13, 14]]

    assert [await each for each in replies] == [10] * 10 + [2] * 2 + ["a word"] + [2] * 2
    await turns()
    assert (gate.waiting, gate.active) == (0, 0)
    assert mailbox_of(ref).handled == 15


async def test_nothing_is_taken_through_a_closed_gate() -> None:
    gate = Gate()
    ref = Gatherer.start(gate)
    taken: list[Delivery] = []

    def close_and_take() -> None:
        gate.open = False
        taken.extend(clerk_of(ref).take_waiting(9, lambda _: True))

    first, second = ask(ref, close_and_take), ask(ref, "second")
    await first
    await turns()

    assert taken == []
    assert (gate.waiting, second.done()) == (1, False)
    gate.open = True
    mailbox_of(ref).wake()
    assert await second == "second"


async def test_a_reply_that_was_handed_over_is_given_by_whoever_took_it() -> None:
    ref, kept = Clerk.start(), list[Delivery]()
    reply = ask(ref, lambda: kept.append(clerk_of(ref).defer_reply()))
    assert await ask(ref, "next") == "next"

    assert not reply.done()
    kept[0].reply("at last")
    kept[0].reply("again")
    assert await reply == "at last"


async def test_a_handler_that_raises_after_handing_over_still_answers() -> None:
    ref = Clerk.start()

    def hand_over_and_fail() -> None:
        clerk_of(ref).defer_reply()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ask(ref, hand_over_and_fail)


async def test_nothing_can_be_handed_over_between_messages() -> None:
    ref = Clerk.start()
    await ask(ref, "hello")

    with pytest.raises(RuntimeError, match="no message"):
        clerk_of(ref).defer_reply()


async def test_an_idle_actor_holds_no_task_no_thread_and_no_queue() -> None:
    threads = threading.active_count()
    refs = [Clerk.start() for _ in range(100)]
    await asyncio.gather(*(ask(ref, number) for ref in refs for number in range(10)))
    await turns()

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert threading.active_count() == threads
    for ref in refs:
        assert clerk_of(ref)._draining is None  # noqa: SLF001 -- what it costs can't be seen else
        assert mailbox_of(ref)._queue is None  # noqa: SLF001


async def test_a_closed_gate_holds_messages_back_and_keeps_their_order() -> None:
    gate, seen = Gate(), list[int]()
    ref = Clerk.start(gate)
    gate.open = False
    replies = [ask(ref, lambda number=number: seen.append(number)) for number in range(5)]
    await turns()

    assert (seen, gate.waiting) == ([], 5)
    assert mailbox_of(ref).stats().depth == 5
    gate.open = True
    mailbox_of(ref).wake()
    await asyncio.gather(*replies)
    assert seen == [0, 1, 2, 3, 4]


async def test_a_gate_that_closes_while_a_message_is_handled_stops_the_next_one() -> None:
    gate = Gate()
    ref = Clerk.start(gate)
    first = ask(ref, lambda: setattr(gate, "open", False))
    second = ask(ref, "second")
    await first
    await turns()

    assert (gate.waiting, gate.active, second.done()) == (1, 0, False)


async def test_only_a_message_that_no_actor_has_seen_can_be_withdrawn() -> None:
    gate, release = Gate(), asyncio.Event()
    ref = Clerk.start(gate)
    seen, unseen = ask(ref, release.wait), ask(ref, "unseen")
    await until(lambda: gate.active == 1)

    assert seen.withdraw() is False
    assert unseen.withdraw() is True
    assert unseen.withdraw() is False
    assert gate.waiting == 0
    release.set()
    assert await seen is True
    assert seen.withdraw() is False
    await turns()
    assert (gate.active, unseen.done(), mailbox_of(ref).handled) == (0, False, 1)


async def test_a_mailbox_tells_how_it_is_doing() -> None:
    gate = Gate()
    ref = Clerk.start(gate)
    await ask(ref, "hello")
    with pytest.raises(ZeroDivisionError):
        await ask(ref, raising(ZeroDivisionError()))
    gate.open = False
    ask(ref, "waits")

    stats = mailbox_of(ref).stats()
    assert (stats.depth, stats.handled, stats.failed) == (1, 2, 1)
    assert stats.oldest_waiting_s >= 0
    assert stats.waited_s >= 0
    assert stats.handling_s >= 0


async def test_a_successor_goes_on_with_the_mailbox_where_the_dead_actor_left_it() -> None:
    gate, seen = Gate(), list[int]()
    ref = Clerk.start(gate)
    gate.open = False
    replies = [ask(ref, lambda number=number: seen.append(number)) for number in range(4)]
    mailbox = mailbox_of(ref)
    gate.open = True
    held = [mailbox.take(), mailbox.take()]
    mailbox.put_back([each for each in held if each is not None])
    mailbox.detach()
    ref.actor_stopped.set()
    assert ask(ref, "too late").done()

    successor = Clerk()
    successor.adopt(mailbox)
    mailbox.wake()
    await asyncio.gather(*replies)

    assert seen == [0, 1, 2, 3]
    assert await ask(successor.actor_ref, "hello") == "hello"
    assert (gate.waiting, gate.active) == (0, 0)


class Rounds:
    """Random things that happen to a few actors behind one gate."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 -- not a secret
        self.gate = Gate(max_waiting=30)
        self.refs: list[ActorRef[Gatherer]] = []
        self.everyone: list[ActorRef[Gatherer]] = []
        self.owed: list[LoopFuture[object]] = []
        self.withdrawn: list[LoopFuture[object]] = []
        self.refused = 0
        for _ in range(3):
            self.add()

    def add(self) -> None:
        ref = Gatherer.start(self.gate)
        mailbox_of(ref).capacity = 15
        self.refs.append(ref)
        self.everyone.append(ref)

    def ask(self) -> None:
        async def slow() -> None:
            await asyncio.sleep(0)

        messages = (1, slow, raising(ValueError()), raising(SystemExit()), "a word")
        try:
            self.owed.append(ask(self.dice.choice(self.refs), self.dice.choice(messages)))
        except MailboxFull:
            self.refused += 1

    def withdraw(self) -> None:
        reply = self.dice.choice([*self.owed, ask(self.refs[0], "new")])
        if reply.withdraw():
            self.withdrawn.append(reply)

    def stop(self) -> None:
        self.refs.pop(self.dice.randrange(3)).stop(block=False)
        self.add()

    def discard(self) -> None:
        mailbox_of(self.dice.choice(self.refs)).discard(ZeroDivisionError())

    def turn_gate(self) -> None:
        self.gate.open = not self.gate.open
        self.wake()

    def wake(self) -> None:
        for ref in self.everyone:
            mailbox_of(ref).wake()


@pytest.mark.parametrize("seed", range(20))
async def test_at_rest_nothing_is_counted_and_everyone_is_answered(seed: int) -> None:
    rounds = Rounds(seed)
    acts = [rounds.ask] * 8 + [rounds.withdraw, rounds.stop, rounds.discard, rounds.turn_gate]
    for _ in range(300):
        try:
            rounds.dice.choice(acts)()
        except MailboxFull:
            rounds.refused += 1
        await turns(rounds.dice.choice((0, 0, 1, 3)))
    rounds.gate.open = True
    rounds.wake()
    await until(lambda: rounds.gate.waiting == 0)
    await turns()

    assert (rounds.gate.waiting, rounds.gate.active) == (0, 0)
    assert [len(mailbox_of(ref)) for ref in rounds.everyone] == [0] * len(rounds.everyone)
    hanging = [reply for reply in rounds.owed if not reply.done()]
    assert all(reply in rounds.withdrawn for reply in hanging)
