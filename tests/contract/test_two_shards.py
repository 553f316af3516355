"""Two shards on one database: each has its owner, and neither knows of the other's."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from actors.domain.job import JobState, Position
from actors.domain.slots import ShardMap
from actors.errors import OutcomeUnknown, Overtaken, StoreRejected
from actors.store.jobs import JobQuery
from actors.store.mongo.store import MongoStore
from actors.store.shards import Member
from tests.contract.cases import applied, new_order_id, order_document, output
from tests.contract.test_inbox import a_job, dead

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.domain.model import Epoch, WorkOrderId
    from actors.store import Store
    from tests.contract.conftest import Database

pytestmark = pytest.mark.parametrize(
    "database", ["standalone-motor", "replica-set-pymongo"], indirect=True
)
TWO = ShardMap(2, 1)
A_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Owned:
    """A shard's store, the epoch of its owner, and one of its orders."""

    store: Store
    epoch: Epoch
    order_id: WorkOrderId


@pytest.fixture
async def whole(database: Database) -> AsyncIterator[MongoStore]:
    async with database.opened() as store:
        assert isinstance(store, MongoStore)
        yield store


@pytest.fixture
async def shards(whole: MongoStore) -> AsyncIterator[tuple[Owned, Owned]]:
    assert await whole.shard_map.move(ShardMap(), 2)
    async with AsyncExitStack() as undo:
        first, second = [await _owned(whole, index, undo) for index in range(2)]
        yield first, second


async def _owned(
    whole: MongoStore, index: int, undo: AsyncExitStack, shards: ShardMap = TWO
) -> Owned:
    store = whole.part(shards.all()[index])
    undo.push_async_callback(store.close)
    await store.open()
    epoch = await store.claim_epoch(f"node-{index}", url=f"http://node-{index}")
    return Owned(store, epoch, _order_of(index, shards))


def _order_of(index: int, shards: ShardMap = TWO) -> WorkOrderId:
    return next(each for each in iter(new_order_id, "") if shards.of(each) == index)


async def test_neither_is_deposed_by_the_other(shards: tuple[Owned, Owned]) -> None:
    first, second = shards
    assert second.epoch > first.epoch, "one count for all"
    for mine in (first, second):
        await mine.store.inbox.add(mine.epoch, [a_job(1, epoch=mine.epoch, order_id=mine.order_id)])
        await mine.store.inbox.set_order_paused(mine.epoch, mine.order_id, paused=True)
        claim = await mine.store.claim()
        assert claim is not None
        assert (claim.epoch, await mine.store.epoch()) == (mine.epoch, mine.epoch)
    assert await first.store.inbox.paused_orders() == {first.order_id}
    assert await second.store.inbox.paused_orders() == {second.order_id}


async def test_each_sees_its_own_jobs_alone(shards: tuple[Owned, Owned]) -> None:
    first, second = shards
    jobs = {
        mine: a_job(number, epoch=mine.epoch, order_id=mine.order_id)
        for number, mine in enumerate(shards)
    }
    for mine, job in jobs.items():
        await mine.store.inbox.add(mine.epoch, [job])
    for mine, job in jobs.items():
        assert [each.id for each in await mine.store.inbox.waiting()] == [job.id]
        assert await mine.store.inbox.waiting_ids() == [job.id]
        page = await mine.store.inbox.page(JobQuery(JobState.WAITING))
        assert (page.total, [each.id for each in page.jobs]) == (1, [job.id])
    theirs = jobs[second].id
    inbox = first.store.inbox
    assert await inbox.find(theirs) is None
    assert not await inbox.remove(second.epoch, theirs, JobState.WAITING)
    moved = {theirs: Position(second.epoch, 9)}
    assert not [
        each for each in await inbox.requeue(second.epoch, moved, JobState.FAILED) if each.dead
    ]
    await inbox.note(second.epoch, [dead(jobs[second])])
    assert await second.store.inbox.waiting_ids() == [theirs]


async def test_a_take_over_of_one_fences_the_other_not(
    whole: MongoStore, shards: tuple[Owned, Owned]
) -> None:
    first, second = shards
    async with AsyncExitStack() as undo:
        later = await _owned(whole, 0, undo)
        job = a_job(2, epoch=second.epoch, order_id=second.order_id)
        await second.store.inbox.add(second.epoch, [job])
        assert await second.store.inbox.remove(second.epoch, job.id, JobState.WAITING)
        mine = a_job(3, epoch=first.epoch, order_id=first.order_id)
        with pytest.raises(Overtaken) as told:
            await first.store.inbox.add(first.epoch, [mine])
        assert told.value.seen == later.epoch
        with pytest.raises(Overtaken):
            await first.store.set_paused(first.epoch, paused=True)
        assert not await second.store.paused()


async def test_a_pause_of_all_is_one_for_both(shards: tuple[Owned, Owned]) -> None:
    first, second = shards
    await first.store.set_paused(first.epoch, paused=True)
    assert await second.store.paused()
    await second.store.set_paused(second.epoch, paused=False)
    assert not await first.store.paused()


async def test_each_finds_its_own_orders_with_an_outbox_alone(
    whole: MongoStore, shards: tuple[Owned, Owned]
) -> None:
    for mine in shards:
        await whole.insert_orders([order_document(mine.order_id)])
        await applied(mine.store, mine.order_id, output(), epoch=mine.epoch)
    for mine in shards:
        assert await mine.store.dirty(10) == [mine.order_id]
        assert await mine.store.dirty(1) == [mine.order_id]
    assert len(await whole.dirty(10)) == 2


async def test_what_waited_before_there_were_shards_is_found_by_its_own(whole: MongoStore) -> None:
    epoch = await whole.claim_epoch("before")
    jobs = [a_job(number, epoch=epoch, order_id=_order_of(number)) for number in range(2)]
    await whole.inbox.add(epoch, jobs)
    await whole.set_paused(epoch, paused=True)
    assert await whole.shard_map.move(ShardMap(), 2)
    async with AsyncExitStack() as undo:
        for index, job in enumerate(jobs):
            mine = await _owned(whole, index, undo)
            assert [each.id for each in await mine.store.inbox.waiting()] == [job.id]
            assert await mine.store.paused()
            with pytest.raises(Overtaken):
                await whole.inbox.remove(epoch, job.id, JobState.WAITING)
        late = a_job(7, epoch=epoch, order_id=mine.order_id)
        with suppress(Overtaken):
            await whole.inbox.add(epoch, [late])
        assert late.id in await mine.store.inbox.waiting_ids()


async def test_after_a_change_of_the_map_no_owner_under_the_old_one_writes(
    whole: MongoStore, shards: tuple[Owned, Owned]
) -> None:
    assert await whole.shard_map.read() == TWO
    assert not await whole.shard_map.move(ShardMap(2, 7), 4), "not as it was"
    assert await whole.shard_map.move(TWO, 4)
    for mine in shards:
        with pytest.raises(Overtaken):
            await mine.store.inbox.add(
                mine.epoch, [a_job(1, epoch=mine.epoch, order_id=mine.order_id)]
            )
        with pytest.raises(Overtaken):
            await mine.store.set_paused(mine.epoch, paused=True)
        with pytest.raises(StoreRejected, match="4 shards"):
            await mine.store.claim_epoch("again")
    assert not await whole.paused()
    with pytest.raises(StoreRejected, match="4 shards"):
        await whole.claim_epoch("again")
    assert await whole.shard_map.move(ShardMap(4, 2), 1)
    assert await whole.claim_epoch("again") > shards[1].epoch
    assert len(await whole.inbox.waiting()) == 2, "what was kept in vain is not lost"


async def test_of_claims_of_one_shard_at_once_one_remains(
    whole: MongoStore, shards: tuple[Owned, Owned]
) -> None:
    epochs = await asyncio.gather(
        *(shards[0].store.claim_epoch(f"node-{number}") for number in range(5))
    )
    assert len(set(epochs)) == 5
    assert await shards[0].store.epoch() == max(epochs)
    claim = await shards[0].store.claim()
    assert claim is not None
    assert claim.node == f"node-{epochs.index(max(epochs))}"
    assert await shards[1].store.epoch() == shards[1].epoch
    assert await whole.epoch() >= max(epochs)


async def test_nodes_that_are_there_are_known_until_they_leave(whole: MongoStore) -> None:
    one, other = Member("a", "http://a"), Member("b", "http://b")
    assert await whole.shard_map.beat(other, A_MINUTE_S) == [other]
    assert await whole.shard_map.beat(one, A_MINUTE_S) == [one, other]
    assert await whole.shard_map.beat(one, 0) == [one], "the others are silent for too long"
    await whole.shard_map.leave(one)
    assert await whole.shard_map.beat(other, A_MINUTE_S) == [other]


async def test_what_shards_share_one_has_at_a_time(
    whole: MongoStore, shards: tuple[Owned, Owned], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (each.store for each in shards)
    async with first.exclusive("line 1"):
        async with second.exclusive("line 2"), whole.exclusive("line 1"):
            pass  # another line, and an owner of all orders
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), second.exclusive("line 1"):
                pass
        waits = asyncio.create_task(_had(second, "line 1"))
        await asyncio.sleep(0)
    async with asyncio.timeout(A_MINUTE_S):
        await waits
    # What an owner has left that is gone has an end.
    monkeypatch.setattr("actors.store.mongo.exclusive.EXCLUSIVE_S", 0.2)
    async with first.exclusive("line 1"), asyncio.timeout(A_MINUTE_S):
        monkeypatch.undo()
        async with second.exclusive("line 1"):
            pass
    await _had(first, "line 1")
    # So has what may still be done by somebody: it is not given back before.
    with pytest.raises(OutcomeUnknown):
        async with first.exclusive("line 1"):
            raise OutcomeUnknown
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), second.exclusive("line 1"):
            pass


async def _had(store: Store, name: str) -> None:
    async with store.exclusive(name):
        pass
