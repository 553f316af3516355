"""The region: what callers are told when they wait too long, while paused, and at the end."""

from __future__ import annotations

import asyncio
import time

import pytest

from actors.domain.messages import Queued, Updated
from actors.errors import (
    NotOwner,
    OutcomeUnknown,
    StillWaiting,
    StoreUnavailable,
    WorkOrderError,
)
from actors.orders.region import Region
from actors.telemetry.telemetry import Telemetry
from tests.fakes import Fault
from tests.unit.actors.owner import (
    ORDER,
    OTHER,
    Owner,
    a_store,
    order_number,
    owner_of,
    quantities,
    turns,
    update,
)
from tests.virtual_time import in_virtual_time

# -- deadlines -------------------------------------------------------------------------------


@in_virtual_time
async def test_a_message_that_is_not_reached_in_time_is_withdrawn_and_never_applied() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            slow = owner.soon(update(1, within=100))
            await sent.wait()
            late = await owner.ask(update(7, within=2))
        assert isinstance(late, StillWaiting)
        assert not late.paused
        assert late.retryable
        assert isinstance(await slow, Updated)
    assert quantities(store) == [1]


@in_virtual_time
async def test_a_message_that_is_being_committed_at_its_deadline_is_answered_unknown() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        async with store.holding("commit"):
            began = time.monotonic()
            answer = await owner.ask(update(5, within=2))
            assert time.monotonic() - began < 2.5
            assert isinstance(answer, OutcomeUnknown)
            assert not answer.retryable
        await owner.at_rest()
    assert quantities(store) == [5]


@in_virtual_time
async def test_an_answer_that_comes_right_after_the_deadline_is_given() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        store.script("commit", *[Fault.REFUSE] * 100)
        answer = await owner.ask(update(5, within=1))
        assert isinstance(answer, StoreUnavailable)
        store.faults["commit"].clear()


@in_virtual_time
async def test_a_deadline_that_is_past_already_applies_nothing() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        for _ in range(2):  # with an actor to be made, and with one
            assert isinstance(await owner.ask(update(5, within=-1)), StillWaiting)
        await turns(100)
    assert quantities(store) == []


@in_virtual_time
async def test_a_supervisor_that_is_busy_for_long_costs_no_more_than_the_deadline() -> None:
    store = a_store(10)
    async with owner_of(store, max_actors=1) as owner:
        await owner.ask(update(1, OTHER))
        await owner.at_rest()
        async with store.holding("trim"):
            began = time.monotonic()
            assert isinstance(await owner.ask(update(1, within=3)), StillWaiting)
            assert time.monotonic() - began == pytest.approx(3)
    assert quantities(store) == []


@in_virtual_time
async def test_a_caller_that_hangs_up_does_not_cancel_its_commit() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            taken = owner.soon(update(1))
            await sent.wait()
            waiting = owner.soon(update(2))
            await turns()
            taken.cancel()
            waiting.cancel()
        await owner.at_rest()
    assert quantities(store) == [1, 2]


# -- owners ----------------------------------------------------------------------------------


@in_virtual_time
async def test_without_a_term_everything_is_refused_with_the_reason() -> None:
    store = a_store(10)
    region = Region(Telemetry(), lambda epoch, paused: store.set_paused(epoch, paused=paused))
    for call in (lambda: region.update(update(1)), region.pause, region.resume):
        with pytest.raises(NotOwner, match="does not own"):
            await call()
    assert [type(each) for each in await region.update_many([update(1), update(2)])] == [
        NotOwner,
        NotOwner,
    ]
    assert await region.held(5) == (0, [])
    assert (region.statistics().waiting, region.statistics().live_actors) == (0, 0)

    async with owner_of(store) as owner:
        owner.region.leave("for a reason")
        with pytest.raises(NotOwner, match="for a reason"):
            await owner.region.update(update(1))


@in_virtual_time
async def test_a_term_that_ends_answers_what_waits_not_applied() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            taken = owner.soon(update(1))
            await sent.wait()
            waiting = [owner.soon(update(2)) for _ in range(3)]
            await turns()
            await owner.term.abandon("over")
            assert all(isinstance(each, NotOwner) for each in await asyncio.gather(*waiting))
            assert isinstance(await owner.ask(update(3)), NotOwner)
        assert isinstance(await taken, Updated)
    assert quantities(store) == [1]


@in_virtual_time
async def test_an_actor_that_somebody_stopped_is_replaced_for_the_next_message() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        await owner.ask(update(1))
        owner.directory.refs[ORDER].tell("not for an order")  # it dies of that
        assert isinstance(await owner.ask(update(2)), Updated)
        stopped = owner.directory.refs[ORDER].stop(block=False)
        assert isinstance(await owner.ask(update(3)), Updated)
        assert stopped.get() is True
    assert quantities(store) == [1, 2, 3]


# -- pause -----------------------------------------------------------------------------------


@in_virtual_time
async def test_while_paused_nothing_is_handled_and_resume_applies_it_in_order() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        await owner.ask(update(1))
        await owner.region.pause()
        assert await store.paused()
        asked = [owner.soon(update(number)) for number in (2, 3, 4)]
        first_of_its_order = owner.soon(update(9, OTHER))
        await asyncio.sleep(5)
        assert quantities(store) == [1]
        stats = owner.region.statistics()
        assert (stats.paused, stats.waiting, stats.active) == (True, 4, 0)
        assert all(isinstance(each, Queued) for each in await asyncio.gather(*asked))
        assert isinstance(await first_of_its_order, Queued)

        await owner.region.resume()
        assert not await store.paused()
        await owner.at_rest()
        assert store.quantity(OTHER) == 9
    assert quantities(store) == [1, 2, 3, 4]


@in_virtual_time
async def test_what_is_still_paused_at_its_deadline_is_not_applied_and_never_will_be() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            taken = owner.soon(update(0))
            await sent.wait()
            hasty, patient = owner.soon(update(1, within=2)), owner.soon(update(2, within=50))
            await turns()
            await owner.region.pause()
        assert isinstance(await taken, Updated)
        answer = await hasty
        assert isinstance(answer, StillWaiting)
        assert answer.paused
        await owner.region.resume()
        assert isinstance(await patient, Updated)
    assert quantities(store) == [0, 2]


@in_virtual_time
async def test_a_pause_lets_finish_what_is_at_work_and_stops_what_waits_behind_it() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            taken = owner.soon(update(1))
            await sent.wait()
            waiting = owner.soon(update(2))
            await turns()
            await owner.region.pause()
        assert isinstance(await taken, Updated)
        await asyncio.sleep(1)
        assert quantities(store) == [1]
        await owner.region.resume()
        assert isinstance(await waiting, Updated)


@in_virtual_time
async def test_a_pause_holds_for_the_next_owner_from_its_first_message_on() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        await owner.region.pause()
    async with store.holding("paused") as asked:
        beginning = asyncio.create_task(Owner.begin(store))
        await asked.wait()
    owner = await beginning
    assert owner.region.paused
    assert isinstance(await owner.ask(update(1, within=2)), Queued)
    await asyncio.sleep(5)
    assert quantities(store) == []
    await owner.region.resume()
    assert isinstance(await owner.ask(update(2)), Updated)
    await owner.end()
    assert quantities(store) == [1, 2]


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.LOSE])
@in_virtual_time
async def test_a_pause_that_cannot_be_remembered_is_an_error_and_no_pause(fault: Fault) -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        store.script("set_paused", fault)
        with pytest.raises(WorkOrderError):
            await owner.region.pause()
        assert not owner.region.paused
        assert isinstance(await owner.ask(update(1)), Updated)


@in_virtual_time
async def test_a_pause_while_the_term_ends_is_remembered_all_the_same() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        async with store.holding("set_paused") as asked:
            pausing = asyncio.create_task(owner.region.pause())
            await asked.wait()
            await owner.term.abandon("over")
        await pausing
    assert store.is_paused


# -- figures ---------------------------------------------------------------------------------


@in_virtual_time
async def test_statistics_count_what_waits_is_at_work_and_was_done() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            taken = [owner.soon(update(1)) for _ in range(3)]
            await sent.wait()
            waiting = [owner.soon(update(1)) for _ in range(2)]
            await turns()
            stats = owner.region.statistics()
            assert (stats.active, stats.waiting, stats.delayed) == (3, 2, 0)
            assert (stats.completed, stats.failed, stats.live_actors) == (0, 0, 1)
            await asyncio.sleep(1)
        await asyncio.gather(*taken, *waiting)
        await owner.ask(update(1, order_number(99)))
        stats = owner.region.statistics()
        assert (stats.active, stats.waiting, stats.completed, stats.failed) == (0, 0, 5, 1)
        assert stats.wait_ms > 0
        owner.region.clean(0)
        assert owner.region.statistics().completed == 0


@in_virtual_time
async def test_the_orders_held_are_told_oldest_first() -> None:
    store = a_store(10)
    async with owner_of(store) as owner:
        for number in (3, 1, 2):
            await owner.ask(update(1, order_number(number)))
            await asyncio.sleep(1)
        await owner.ask(update(1, order_number(3)))

        total, held = await owner.region.held(2)

        assert total == 3
        assert [each.work_order_id for each in held] == [order_number(3), order_number(1)]
        assert held[0].since < held[1].since
