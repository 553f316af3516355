"""The committer: what was committed gets into the log, and a log that is stuck harms few."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.commit.committer import MAX_OUTBOX
from actors.domain.messages import ReadOrder, Trim
from actors.errors import NotOwner, StoreUnavailable
from actors.store import Committed, EvidenceQuery, Stale
from tests.contract.cases import change, decide
from tests.fakes import Fault
from tests.unit.actors.desk import Desk
from tests.unit.actors.owner import ORDER, OTHER, turns
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.store import StoredOrder


# -- the log ---------------------------------------------------------------------------------


@in_virtual_time
async def test_a_commit_carries_what_the_log_does_not_have_yet_and_nothing_else() -> None:
    desk, one, two, three = Desk(), change(1), change(2), change(3)
    async with desk.store.holding("relay"):
        order = await desk.commit(one)
        order = await desk.commit(two, order=order)
        assert [each.change.job_id for each in desk.store.orders[ORDER].outbox] == [
            one.job_id,
            two.job_id,
        ]
    await desk.relayed()
    await desk.commit(three, order=order)
    assert [each.change.job_id for each in desk.store.orders[ORDER].outbox] == [three.job_id]
    await desk.relayed()
    assert list(desk.store.log[ORDER]) == [one.job_id, two.job_id, three.job_id]


@in_virtual_time
async def test_the_log_catches_up_when_it_is_reachable_again() -> None:
    desk, one, two = Desk(), change(1), change(2)
    faults = [Fault.REFUSE, Fault.LOSE, Fault.LOSE_ANSWER, Fault.DELAY] * 3
    desk.store.script("relay", *faults)

    await desk.commit(two, order=await desk.commit(one))
    await desk.relayed()
    desk.store.deliver()

    assert list(desk.store.log[ORDER]) == [one.job_id, two.job_id]
    assert desk.committer.stats.relay_errors == len(faults)


@in_virtual_time
async def test_an_entry_that_the_log_refuses_stays_in_the_outbox_until_it_is_taken() -> None:
    desk, bad, good = Desk(), change(1), change(2)
    desk.store.relay_rejects = lambda outcome: outcome.change.job_id == bad.job_id
    order = await desk.commit(bad)
    order = await desk.commit(good, order=order)
    await asyncio.sleep(60)

    assert list(desk.store.log[ORDER]) == [good.job_id]
    assert desk.jobs() == [bad.job_id, good.job_id]
    await desk.commit(change(3), order=order)
    assert len(desk.jobs()) == 3, "it is carried on"
    desk.store.relay_rejects = lambda _outcome: False
    await desk.relayed()
    assert len(desk.store.log[ORDER]) == 3


@in_virtual_time
async def test_an_order_replaced_as_a_whole_goes_on_from_the_seq_that_the_log_will_have() -> None:
    desk, one, two = Desk(), change(1), change(2)
    async with desk.store.holding("relay"):
        order = await desk.commit(one)
        desk.store.put(ORDER, input_quantity=50)
        stale = await desk.ask(decide(order, two))
        assert isinstance(stale, Stale)
        assert stale.current is not None
        assert (stale.current.seq, stale.current.adopted) == (1, False)
        await desk.commit(two, order=stale.current)
        assert desk.jobs() == [one.job_id, two.job_id]
    await desk.relayed()
    assert desk.store.quantity(ORDER) == 52


# -- bounds ----------------------------------------------------------------------------------


async def filled(desk: Desk) -> StoredOrder:
    """Commit as much as an outbox holds; the relay must be held."""
    order = await desk.load()
    for _ in range(2):
        order = await desk.commit(*(change(1) for _ in range(MAX_OUTBOX // 2)), order=order)
    return order


@in_virtual_time
async def test_a_full_outbox_takes_the_next_commit_once_the_log_has_taken_some() -> None:
    desk = Desk()
    async with desk.store.holding("relay"):
        order = await filled(desk)
        asked = desk.ask(decide(order, change(1)))
        await turns(50)
        assert not asked.done()
        assert len(desk.store.orders[ORDER].outbox) == MAX_OUTBOX

    assert isinstance(await asked, Committed)
    await desk.relayed()
    assert len(desk.store.log[ORDER]) == MAX_OUTBOX + 1


@in_virtual_time
async def test_a_full_outbox_whose_log_is_stuck_refuses_and_never_applies() -> None:
    desk = Desk()
    async with desk.store.holding("relay"):
        order = await filled(desk)
        with pytest.raises(StoreUnavailable):
            await desk.ask(decide(order, change(1)))
        other = await desk.load(OTHER)
        assert isinstance(await desk.ask(decide(other, change(1))), Committed)
    await desk.relayed()
    await asyncio.sleep(10)

    assert desk.store.quantity(ORDER) == MAX_OUTBOX
    assert len(desk.jobs()) == MAX_OUTBOX


@in_virtual_time
async def test_a_commit_that_found_room_at_last_is_not_refused_while_it_is_under_way() -> None:
    desk = Desk()
    async with desk.store.holding("commit"):
        async with desk.store.holding("relay"):
            desk.store._gates["commit"].set()  # noqa: SLF001 for the first ones
            order = await filled(desk)
            desk.store._gates["commit"].clear()  # noqa: SLF001
            asked = desk.ask(decide(order, change(1)))
            await asyncio.sleep(0.5)
        await asyncio.sleep(5)
        assert not asked.done()
    assert isinstance(await asked, Committed)
    await desk.relayed()


@in_virtual_time
async def test_a_trim_waits_for_the_log_and_then_empties_the_outbox() -> None:
    desk = Desk()
    async with desk.store.holding("relay"):
        order = await desk.commit(change(1))
        asked = desk.ask(Trim(order))
        await turns(50)
        assert not asked.done()

    await asked
    assert desk.store.orders[ORDER].outbox == ()
    await desk.relayed()


@in_virtual_time
async def test_a_trim_whose_log_is_stuck_is_given_up_and_keeps_the_outbox() -> None:
    desk = Desk()
    async with desk.store.holding("relay"):
        order = await desk.commit(change(1))
        with pytest.raises(StoreUnavailable):
            await desk.ask(Trim(order))
        assert len(desk.store.orders[ORDER].outbox) == 1
    await desk.relayed()


# -- the end ---------------------------------------------------------------------------------


@in_virtual_time
async def test_a_closed_committer_begins_nothing_and_settles_what_it_sent() -> None:
    desk = Desk()
    order, other = await desk.load(), await desk.load(OTHER)
    async with desk.store.holding("commit") as sent:
        under_way = desk.ask(decide(order, change(5)))
        await sent.wait()
        late = desk.ask(decide(other, change(1)))
        desk.committer.close()
        for message in (
            ReadOrder(ORDER),
            EvidenceQuery(ORDER),
            decide(other, change(1)),
            Trim(order),
        ):
            with pytest.raises(NotOwner):
                await desk.ask(message)
    with pytest.raises(NotOwner):
        await late
    assert isinstance(await under_way, Committed)
    await desk.committer.settled()
    assert desk.store.quantity(OTHER) == 0
    assert len(desk.store.written(ORDER)) == 1


@in_virtual_time
async def test_closing_answers_those_who_wait_for_the_log() -> None:
    desk = Desk()
    async with desk.store.holding("relay"):
        order = await filled(desk)
        commit, trim = desk.ask(decide(order, change(1))), desk.ask(Trim(order))
        await turns()
        desk.committer.close()
        for reply in (commit, trim):
            with pytest.raises(StoreUnavailable):
                async with asyncio.timeout(0.01):
                    await reply


@in_virtual_time
async def test_a_closed_committer_gives_up_relaying_to_a_log_that_is_down() -> None:
    desk = Desk()
    desk.store.script("relay", *[Fault.REFUSE] * 1000)
    await desk.commit(change(1))
    await asyncio.sleep(30)
    desk.committer.close()
    await asyncio.sleep(30)

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(desk.store.written(ORDER)) == 1


@in_virtual_time
async def test_what_is_not_for_a_committer_is_refused() -> None:
    with pytest.raises(TypeError):
        await Desk().ask("hello")
