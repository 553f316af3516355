"""Jobs and changes of owner: taken over in order, applied once."""

from __future__ import annotations

import asyncio

import pytest

from actors.domain.job import JobState
from actors.domain.messages import Queued, Updated
from actors.domain.model import Epoch
from actors.errors import (
    OutcomeUnknown,
    Overtaken,
    StoreUnavailable,
)
from tests.contract.cases import decide
from tests.fakes import Fault
from tests.unit.actors.jobs.test_jobs import applied, job, settled
from tests.unit.actors.owner import (
    ORDER,
    Owner,
    a_store,
    owner_of,
    update,
)
from tests.virtual_time import in_virtual_time

# -- another owner ---------------------------------------------------------------------------


@in_virtual_time
async def test_the_next_owner_applies_what_waits_before_anything_new_and_once() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.region.pause()
        for n in range(1, 41):
            await owner.ask(update(n))
    async with owner_of(store) as owner:
        assert owner.region.paused
        assert isinstance(await owner.ask(update(41)), Queued)
        await owner.region.resume()
        assert isinstance(await owner.ask(update(42)), Updated)
        await settled(owner)
    assert applied(store) == [*range(1, 43)]


@in_virtual_time
async def test_a_key_that_an_earlier_owner_left_in_an_outbox_is_answered_with_its_outcome() -> None:
    store = a_store(3)
    first = update(5, key="k").change
    epoch = Epoch(await store.claim_epoch("dead"))
    [order] = await store.load([ORDER])
    assert order is not None
    await store.commit(epoch, [decide(order, first, epoch=epoch)])
    store.script("dirty", Fault.REFUSE)  # the sweep comes too late
    async with owner_of(store) as owner:
        again = await owner.ask(job(5, key="k"))
        assert isinstance(again, Updated), "it was applied, and waits for nothing"
        assert (again.replayed, again.change.job_id) == (True, first.job_id)
    assert applied(store) == [5]


@in_virtual_time
async def test_jobs_applied_by_an_owner_that_died_before_it_noted_so_are_applied_once() -> None:
    store = a_store(3)
    async with owner_of(store) as owner, store.holding("note"):
        for n in range(1, 31):
            assert isinstance(await owner.ask(job(n)), Queued)
        while len(applied(store)) < 20:  # noqa: ASYNC110 what is looked at has no event
            await asyncio.sleep(0.001)
        await owner.term.abandon("the lease is lost")
    async with owner_of(store) as owner:
        await settled(owner)
        states = {each.state for each in store.inbox.book.jobs.values()}
        assert states == {JobState.COMPLETED}
        assert not any(
            each.result and each.result.replayed for each in store.inbox.book.jobs.values()
        )
    assert applied(store) == [*range(1, 31)]


@in_virtual_time
async def test_a_deposed_owner_that_does_not_know_answers_unknown_and_learns_it() -> None:
    store = a_store(3)
    old = await Owner.begin(store)
    async with owner_of(store) as new:
        answer = await old.ask(job(5, key="k"))
        assert isinstance(answer, Overtaken)
        assert isinstance(answer, OutcomeUnknown)
        assert old.deposed == [new.term.epoch]
        # Its caller repeats it; whoever has kept it, it is applied, once.
        again = await new.ask(job(5, key="k"))
        assert isinstance(again, Queued)
        await settled(new)
        await old.end()
    assert applied(store) == [5]


@in_virtual_time
async def test_an_owner_that_is_told_nothing_of_a_late_job_finds_it_after_a_while() -> None:
    store = a_store(3)
    old = await Owner.begin(store)
    async with owner_of(store) as new:
        assert isinstance(await new.ask(job(1)), Queued)
        assert isinstance(await old.ask(job(5)), Overtaken)
        await old.end()
        await asyncio.sleep(10)
        await settled(new)
    assert applied(store) == [1, 5]


@in_virtual_time
async def test_without_the_look_at_the_epoch_a_late_job_would_be_called_kept_by_two() -> None:
    store = a_store(3)
    store.without = frozenset({"overtaken"})
    old = await Owner.begin(store)
    async with owner_of(store) as new:
        await old.hold()
        assert isinstance(await old.ask(job(5)), Queued)
        assert new.term.jobs.known == {}
        await old.end()


@in_virtual_time
async def test_a_term_that_can_not_read_the_inbox_lets_nobody_in() -> None:
    store = a_store(3)
    store.script("waiting", Fault.REFUSE)
    with pytest.raises(StoreUnavailable):
        await Owner.begin(store)
    assert asyncio.all_tasks() == {asyncio.current_task()}
