"""The supervisor when actors die unasked, when a pause comes between, and when its term ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from actors.domain.messages import Pause, Resolve, Sweep, Updated
from actors.errors import NotOwner, WorkOrderNotFound
from tests.fakes import Fault, MemoryStore
from tests.unit.actors.owner import ORDER, OTHER, order_number, owner_of, turns, update
from tests.unit.actors.stubs import ask, mailbox_of
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from tests.unit.actors.owner import Owner


def store_of(count: int) -> MemoryStore:
    store = MemoryStore()
    for number in range(1, count + 1):
        store.put(order_number(number))
    return store


def live(owner: Owner) -> list[WorkOrderId]:
    return list(owner.directory.refs)


@in_virtual_time
async def test_an_actor_that_died_of_what_it_was_told_is_replaced_and_keeps_its_mailbox() -> None:
    store = store_of(1)
    async with owner_of(store) as owner:
        await owner.ask(update())
        dead = owner.directory.refs[ORDER]
        dead.tell("what no order understands")
        behind = owner.soon(update())
        await turns()

        assert not dead.is_alive()
        assert owner.directory.refs[ORDER].is_alive()
        assert isinstance(await behind, Updated)
        await ask(owner.term.supervisor, Sweep(everything=True))
        await owner.at_rest()
        assert owner.term.alive
        assert len(owner.directory) == 0


@in_virtual_time
async def test_an_actor_that_dies_when_asked_to_leave_makes_room_all_the_same() -> None:
    store = store_of(2)
    async with owner_of(store, max_actors=1) as owner:
        await owner.ask(update())
        store.script("commit", Fault.REFUSE)
        await owner.ask(update(within=0.01))  # now it has lost sight of its order
        with mock.patch.object(store, "load", side_effect=ZeroDivisionError):
            await owner.ask(update(1, OTHER, within=1))

        assert isinstance(await owner.ask(update(1, OTHER, within=5)), Updated)


@in_virtual_time
async def test_a_pause_does_not_hold_those_who_are_about_to_leave() -> None:
    store = store_of(2)
    async with owner_of(store, max_actors=1) as owner:
        await owner.ask(update())
        supervisor = owner.term.supervisor
        resolved, paused = [ask(supervisor, each) for each in (Resolve(OTHER), Pause())]
        await paused
        await resolved
        assert live(owner) == [OTHER]


@in_virtual_time
async def test_the_end_answers_all_that_waits_wherever_it_waits() -> None:
    store = store_of(3)
    async with owner_of(store, max_actors=1) as owner:
        async with store.holding("commit") as arrived:
            under_way = owner.soon(update())
            await arrived.wait()
            in_mailbox = owner.soon(update())
            await turns()
            waiting = mailbox_of(owner.directory.refs[ORDER])
            assert len(waiting) == 1
            ended = asyncio.create_task(owner.term.abandon("the end"))
            assert isinstance(await in_mailbox, NotOwner)
            assert not under_way.done()
        await ended

        assert isinstance(await under_way, Updated)
        assert isinstance(await owner.ask(update()), NotOwner)
        assert (owner.gate.waiting, owner.gate.active) == (0, 0)


@in_virtual_time
async def test_the_end_answers_who_waits_for_room_and_who_is_about_to_be_heard() -> None:
    store = store_of(3)
    async with owner_of(store, max_actors=1) as owner:
        await owner.ask(update())
        async with store.holding("trim") as arrived:
            outside = owner.soon(update(1, OTHER))
            await arrived.wait()
            unheard = ask(owner.term.supervisor, Resolve(order_number(3)))
            ended = asyncio.create_task(owner.term.abandon("the end"))
            assert isinstance(await outside, NotOwner)
            with pytest.raises(NotOwner):
                await unheard
        await ended


@in_virtual_time
async def test_a_supervisor_refuses_what_it_does_not_understand_and_lives() -> None:
    async with owner_of(store_of(1)) as owner:
        with pytest.raises(TypeError):
            await ask(owner.term.supervisor, "what no supervisor understands")

        assert isinstance(await owner.ask(update()), Updated)


@in_virtual_time
async def test_held_orders_are_told_oldest_first() -> None:
    async with owner_of(store_of(5)) as owner:
        for number in (3, 1, 4, 2, 5):
            await owner.ask(update(1, order_number(number)))
            await asyncio.sleep(1)
        await owner.ask(update(1, order_number(3)))
        total, held = await owner.region.held(3)

        assert total == 5
        assert [each.work_order_id for each in held] == [order_number(n) for n in (3, 1, 4)]
        assert held[0].since < held[1].since < held[2].since


@in_virtual_time
async def test_two_who_wait_for_room_for_the_same_order_get_the_same_actor() -> None:
    async with owner_of(store_of(2), max_actors=1) as owner:
        await owner.ask(update())
        supervisor = owner.term.supervisor
        first, second = [ask(supervisor, Resolve(OTHER)) for _ in range(2)]

        assert await first is await second
        assert owner.supervisor.stats.created == 2


@in_virtual_time
async def test_an_unknown_order_that_is_asked_for_again_meanwhile_keeps_its_actor() -> None:
    store = MemoryStore()
    async with owner_of(store) as owner:
        ref = await ask(owner.term.supervisor, Resolve(ORDER))
        first = ask(ref, update())
        with pytest.raises(WorkOrderNotFound):
            await first
        store.put(ORDER)
        second = ask(ref, update())  # before the supervisor has heard of the first

        assert isinstance(await second, Updated)
        assert ref.is_alive()
        assert owner.supervisor.stats.created == 1


@in_virtual_time
async def test_who_waits_for_room_never_replaces_the_mailbox_of_an_actor_that_crashed() -> None:
    store = store_of(2)
    async with owner_of(store, max_actors=1) as owner:
        await owner.ask(update())
        supervisor = owner.term.supervisor
        async with store.holding("trim") as arrived:
            first, second = [ask(supervisor, Resolve(OTHER)) for _ in range(2)]
            await arrived.wait()
            # The first gets its actor, which crashes over a message before the second's turn.
            create = owner.supervisor._create  # noqa: SLF001 -- no other way between the two

            def create_and_crash(order_id: WorkOrderId) -> Any:  # noqa: ANN401 -- a ref
                ref = create(order_id)
                message = ask(ref, update(1, OTHER))
                actor = mailbox_of(ref).actor
                assert actor is not None
                ref.actor_stopped.set()
                actor.on_failure(ValueError, ValueError(), None)  # type: ignore[attr-defined]
                kept.append(message)
                return ref

            kept = list[Any]()
            owner.supervisor._create = create_and_crash  # type: ignore[method-assign] # noqa: SLF001
        await asyncio.gather(first, second)

        assert isinstance(await kept[0].within(5), Updated)
        assert (await second).is_alive()
