"""The inbox of every store: what an earlier owner, or anybody, does not get into it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from bson import ObjectId

from actors.domain.job import JobState, Position
from actors.errors import OutcomeUnknown, Overtaken, StoreRejected
from actors.store.jobs import JobQuery
from actors.store.schema import INBOX
from tests.contract.cases import tick
from tests.contract.conftest import on_mongo
from tests.contract.test_inbox import ORDER, a_job, completed, dead, owned

if TYPE_CHECKING:
    from actors.store import Store
    from tests.contract.backdoor import MongoBackdoor
    from tests.contract.conftest import Database


# -- the fence -------------------------------------------------------------------------------


async def test_an_owner_that_was_overtaken_is_told_so_and_never_that_a_job_is_kept(
    database: Database, store: Store
) -> None:
    mine = await owned(store)
    async with database.opened() as successor:
        theirs = await owned(successor)
        seen_at_take_over = await successor.inbox.waiting()
        assert seen_at_take_over == []
        with pytest.raises(Overtaken) as told:
            await store.inbox.add(mine, [a_job(1)])
        assert isinstance(told.value, OutcomeUnknown)
        assert told.value.seen == theirs
        assert len(await successor.inbox.add(theirs, [a_job(2, epoch=theirs)])) == 1


async def test_of_an_add_and_a_take_over_at_once_one_sees_the_other(
    database: Database, store: Store
) -> None:
    async with database.opened() as successor:
        for round_ in range(20):
            mine = await owned(store)
            job = a_job(round_)

            async def take_over() -> list[str]:
                await owned(successor)
                return [each.id for each in await successor.inbox.waiting()]

            added, seen = await asyncio.gather(
                store.inbox.add(mine, [job]),
                take_over(),
                return_exceptions=True,
            )
            assert isinstance(seen, list)
            assert isinstance(added, Overtaken) or job.id in seen


# -- owners that are deposed -----------------------------------------------------------------


async def test_an_earlier_owner_takes_nothing_back_that_a_later_one_has_read(store: Store) -> None:
    earlier = await owned(store)
    waiting, failed = a_job(1), a_job(2)
    await store.inbox.add(earlier, [waiting, failed])
    await store.inbox.note(earlier, [dead(failed)])
    later = await owned(store)
    [read] = await store.inbox.waiting()

    for job_id, state in ((waiting.id, JobState.WAITING), (failed.id, JobState.FAILED)):
        with pytest.raises(Overtaken):
            await store.inbox.remove(earlier, job_id, state)
        with pytest.raises(Overtaken):
            await store.inbox.requeue(earlier, {job_id: Position(earlier, 9)}, state)
    with pytest.raises(Overtaken):
        await store.inbox.discard(earlier, JobQuery(JobState.FAILED))
    with suppress(Overtaken):
        await store.inbox.note(earlier, [dead(waiting)])

    assert await store.inbox.waiting() == [read]
    assert (await store.inbox.find(failed.id)) is not None
    assert await store.inbox.remove(later, waiting.id, JobState.WAITING)


async def test_what_an_earlier_owner_learnt_of_an_applied_job_is_true_all_the_same(
    store: Store,
) -> None:
    earlier = await owned(store)
    job = a_job(1)
    await store.inbox.add(earlier, [job])
    await owned(store)
    with suppress(Overtaken):  # SQLite takes nothing at all of it
        await store.inbox.note(earlier, [completed(job)])
    found = await store.inbox.find(job.id)
    assert found is not None
    assert found.state in (JobState.COMPLETED, JobState.WAITING)


async def test_a_pause_of_an_earlier_owner_does_not_spring_up_under_a_later_one(
    store: Store,
) -> None:
    earlier = await owned(store)
    later = await owned(store)
    for paused in (True, False):
        with pytest.raises(Overtaken):
            await store.set_paused(earlier, paused=paused)
        with pytest.raises(Overtaken):
            await store.inbox.set_order_paused(earlier, ORDER, paused=paused)
    assert not await store.paused()
    assert not await store.inbox.paused_orders()

    await store.set_paused(later, paused=True)
    await store.inbox.set_order_paused(later, ORDER, paused=True)
    await owned(store)
    assert await store.paused()
    assert await store.inbox.paused_orders() == {ORDER}


async def test_an_earlier_owner_does_not_say_that_it_has_cleaned(store: Store) -> None:
    earlier = await owned(store)
    await owned(store)
    with pytest.raises(Overtaken):
        await store.inbox.forget(earlier, tick())


# -- what is refused for good -----------------------------------------------------------------


@on_mongo
async def test_a_note_that_the_database_refuses_for_good_is_rejected_and_holds_up_no_other(
    store: Store, backdoor: MongoBackdoor
) -> None:
    epoch = await owned(store)
    one, two = a_job(1), a_job(2)
    await store.inbox.add(epoch, [one, two])
    backdoor.database.command("collMod", INBOX, validator={"_id": {"$ne": ObjectId(one.id)}})
    with pytest.raises(StoreRejected, match="failed validation"):
        await store.inbox.note(epoch, [completed(one), completed(two)])
    with pytest.raises(StoreRejected):
        await store.inbox.note(epoch, [completed(one)])
    assert [job.id for job in await store.inbox.waiting()] == [one.id]
