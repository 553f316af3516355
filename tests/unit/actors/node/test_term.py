"""One term of ownership: it sweeps up what earlier ones left, and ends with nothing half done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.domain.messages import Queued, Sweep, Updated
from actors.domain.model import Epoch
from actors.errors import NotOwner, StillWaiting, StoreUnavailable
from actors.node.term import Term, TermOptions
from actors.orders.region import Region
from actors.orders.supervisor import Limits
from actors.store import Committed
from actors.telemetry.telemetry import Telemetry
from tests.contract.cases import change, decide
from tests.fakes import Fault, MemoryStore
from tests.unit.actors.owner import (
    ORDER,
    OTHER,
    Owner,
    a_store,
    order_number,
    owner_of,
    turns,
    update,
)
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.domain.model import WorkOrderId


async def leave_outboxes(store: MemoryStore, order_ids: Iterable[WorkOrderId]) -> None:
    """Commit as an owner does that dies before it relays."""
    epoch = Epoch(await store.claim_epoch("dead"))
    for order_id in order_ids:
        [order] = await store.load([order_id])
        assert order is not None
        [result] = await store.commit(epoch, [decide(order, change(5), epoch=epoch)])
        assert isinstance(result, Committed)


def deadline(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


# -- what earlier terms left -----------------------------------------------------------------


@in_virtual_time
async def test_outboxes_left_by_earlier_owners_are_emptied_without_any_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.node.term._SWEEP_PAGE", 3)
    store = a_store(20)
    await leave_outboxes(store, [order_number(number) for number in range(1, 11)])
    async with owner_of(store):
        await asyncio.sleep(5)
        assert await store.dirty(100) == []
    assert [len(store.log[order_number(number)]) for number in range(1, 12)] == [*[1] * 10, 0]


@pytest.mark.parametrize("method", ["dirty", "load", "relay", "trim"])
@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.LOSE])
@in_virtual_time
async def test_an_outbox_that_cannot_be_emptied_at_first_is_emptied_later(
    method: str, fault: Fault
) -> None:
    store = a_store(20)
    await leave_outboxes(store, [ORDER, OTHER])
    store.script(method, *[fault] * 3)  # type: ignore[arg-type]
    async with owner_of(store):
        await asyncio.sleep(120)
        assert await store.dirty(100) == []
    assert len(store.log[ORDER]) == len(store.log[OTHER]) == 1


@in_virtual_time
async def test_an_entry_that_the_log_refuses_does_not_keep_other_outboxes_from_being_emptied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.node.term._SWEEP_PAGE", 3)
    store = a_store(20)
    store.relay_rejects = lambda outcome: outcome.work_order_id == ORDER
    await leave_outboxes(store, [order_number(number) for number in range(1, 11)])
    async with owner_of(store):
        await asyncio.sleep(300)
        assert await store.dirty(100) == [ORDER]
        store.relay_rejects = lambda _outcome: False
        await asyncio.sleep(300)
        assert await store.dirty(100) == []


@in_virtual_time
async def test_the_sweep_is_in_nobodys_way() -> None:
    store = a_store(20)
    await leave_outboxes(store, [ORDER])
    async with owner_of(store) as owner:
        async with store.holding("relay"):
            answer = await owner.ask(update(1))
            assert isinstance(answer, Updated)
            assert (answer.seq, answer.before_quantity) == (2, 5)
        await asyncio.sleep(60)
    assert sorted(each.seq for each in store.log[ORDER].values()) == [1, 2]


@in_virtual_time
async def test_a_late_write_of_an_earlier_owner_is_known_to_who_sends_its_key_again() -> None:
    store = a_store(20)
    dead = Epoch(await store.claim_epoch("dead"))
    async with owner_of(store) as owner:
        await asyncio.sleep(5)  # the sweep is over
        [order] = await store.load([ORDER])
        assert order is not None
        [result] = await store.commit(dead, [decide(order, update(5, key="k").change, epoch=dead)])
        assert isinstance(result, Committed)
        await owner.hold()
        answer = await owner.ask(update(5, key="k", wait=False))
        assert isinstance(answer, Updated)
        assert answer.replayed


# -- beginning -------------------------------------------------------------------------------


@in_virtual_time
async def test_a_term_that_cannot_begin_routes_nothing() -> None:
    store = a_store(20)
    region = Region(Telemetry(), lambda epoch, paused: store.set_paused(epoch, paused=paused))
    term = Term(store, region, Epoch(1), TermOptions(Limits()), lambda _seen: None)
    store.script("paused", Fault.REFUSE)
    with pytest.raises(StoreUnavailable):
        await term.begin()
    with pytest.raises(NotOwner):
        await region.update(update(1))
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("who", ["supervisor", "committer", "upkeep"])
@in_virtual_time
async def test_a_term_is_alive_while_all_that_others_need_is(who: str) -> None:
    async with owner_of(a_store(20), idle_s=1) as owner:
        term = owner.term
        assert term.alive, who
        match who:
            case "supervisor":
                owner.term.supervisor.tell("not for a supervisor")
            case "committer":
                owner.term.committer.actor_ref.tell("not for a committer")
            case _:
                owner.directory.refs[ORDER] = None  # type: ignore[assignment]
        await asyncio.sleep(3)
        assert not owner.term.alive
        owner.directory.refs.pop(ORDER, None)


# -- ending ----------------------------------------------------------------------------------


@in_virtual_time
async def test_a_term_finishes_its_queue_and_empties_its_outboxes() -> None:
    store = a_store(20)
    store.script("commit", Fault.LOSE, None, Fault.LOSE_ANSWER, Fault.REFUSE)
    store.script("relay", Fault.LOSE, Fault.REFUSE)
    store.script("trim", Fault.LOSE, Fault.REFUSE)
    async with owner_of(store) as owner:
        asked = [owner.soon(update(1, order_number(1 + number % 5))) for number in range(300)]
        await turns()
        owner.region.leave("stopping")

        assert await owner.term.finish(deadline(30))

        assert all(isinstance(each, Updated) for each in await asyncio.gather(*asked))
        assert isinstance(await owner.ask(update(1)), NotOwner)
        assert len(owner.directory) == 0
    assert await store.dirty(100) == []
    assert sum(store.quantity(order_number(number)) for number in range(1, 6)) == 300


@in_virtual_time
async def test_a_term_that_cannot_finish_in_time_says_so_and_loses_nothing() -> None:
    store = a_store(20)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            taken = owner.soon(update(1, within=100))
            await sent.wait()
            waiting = owner.soon(update(2, within=100))
            await turns()
            assert not await owner.term.finish(deadline(3))
            await owner.term.abandon("stopping")
            assert isinstance(await waiting, NotOwner)
        assert isinstance(await taken, Updated)
    assert [each.applied_quantity for each in store.written(ORDER)] == [1]


@in_virtual_time
async def test_a_term_whose_log_is_stuck_does_not_finish_and_leaves_the_outbox() -> None:
    store = a_store(20)
    async with owner_of(store) as owner, store.holding("relay"):
        assert isinstance(await owner.ask(update(5)), Updated)
        began = asyncio.get_running_loop().time()
        assert not await owner.term.finish(deadline(4))
        assert asyncio.get_running_loop().time() - began == pytest.approx(4, abs=0.1)
        assert [each.seq for each in store.orders[ORDER].outbox] == [1]  # type: ignore[union-attr]
        await owner.term.abandon("stopping")
    async with owner_of(store):
        await asyncio.sleep(5)
    assert len(store.log[ORDER]) == 1


@in_virtual_time
async def test_a_paused_term_finishes_what_is_at_work_and_answers_the_rest_not_applied() -> None:
    store = a_store(20)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            taken = owner.soon(update(1))
            await sent.wait()
            waiting = [owner.soon(update(2))]
            await turns()
            await owner.region.pause()
            kept = owner.soon(update(2, OTHER))
            finishing = asyncio.create_task(owner.term.finish(deadline(30)))
            await asyncio.sleep(1)
            assert not finishing.done()
        assert not await finishing
        await owner.term.abandon("stopping")
        assert isinstance(await taken, Updated)
        assert all(isinstance(each, NotOwner) for each in await asyncio.gather(*waiting))
        assert isinstance(await kept, Queued)
    assert [each.applied_quantity for each in store.written(ORDER)] == [1]
    assert store.quantity(OTHER) == 0
    assert [each.change.quantity for each in await store.inbox.waiting()] == [2]


@in_virtual_time
async def test_a_term_whose_supervisor_is_dead_cannot_finish_and_says_so() -> None:
    async with owner_of(a_store(20)) as owner:
        await owner.ask(update(1))
        owner.term.supervisor.tell("not for a supervisor")
        await turns()
        assert not await owner.term.finish(deadline(5))
        assert isinstance(await owner.ask(update(1, OTHER)), NotOwner)


@in_virtual_time
async def test_an_abandoned_term_sends_nothing_any_more() -> None:
    store = a_store(20)
    async with owner_of(store) as owner:
        async with store.holding("load") as loading:
            asked = owner.soon(update(1))
            await loading.wait()
            await owner.term.abandon("the lease is lost")
        assert isinstance(await asked, NotOwner)
        assert store.calls["commit"] == 0


@in_virtual_time
async def test_an_abandoned_term_leaves_no_task_even_if_a_sweep_is_under_way() -> None:
    store = a_store(20)
    owner = await Owner.begin(store, max_actors=1)
    await owner.ask(update(1))
    await owner.at_rest()
    async with store.holding("trim") as trimming:
        outside = owner.soon(update(1, OTHER))
        await trimming.wait()
        sweep = owner.term.supervisor.ask(Sweep(everything=True), block=False)
        await owner.term.abandon("over")
        assert isinstance(await outside, (NotOwner, StillWaiting))
    with pytest.raises(NotOwner):
        await sweep
    await asyncio.sleep(60)
    assert asyncio.all_tasks() == {asyncio.current_task()}
