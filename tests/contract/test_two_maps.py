"""The map of shards changes: who owned under the old one writes no more, nothing is left behind."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from actors.domain.job import JobState
from actors.domain.slots import ShardMap
from actors.errors import OutcomeUnknown, Overtaken, StoreRejected
from actors.store import Stale
from actors.store.mongo import control, shard_map
from tests.contract.cases import (
    applied,
    change,
    commit_one,
    decide,
    loaded,
    order_document,
    output,
    whole_log,
)
from tests.contract.test_inbox import a_job
from tests.contract.test_two_shards import TWO, Owned, _order_of, _owned, shards, whole

if TYPE_CHECKING:
    from actors.domain.model import Epoch
    from actors.store.mongo.reads import Collections
    from actors.store.mongo.store import MongoStore

__all__ = ["shards", "whole"]
pytestmark = pytest.mark.parametrize(
    "database", ["standalone-motor", "replica-set-pymongo"], indirect=True
)
FOUR = ShardMap(4, 2)


async def test_a_plan_is_kept_until_the_map_moves_and_no_epoch_is_claimed_before(
    whole: MongoStore,
) -> None:
    members = whole.shard_map
    assert await members.plan(ShardMap(), 2)
    assert await members.read() == ShardMap(1, 0, planned=2)
    with pytest.raises(StoreRejected, match="being cut into 2"):
        await whole.claim_epoch("a")
    assert await members.move(await members.read(), 2)
    assert await members.read() == TWO
    assert not await members.plan(ShardMap(), 4), "not as it was"
    assert not await members.move(ShardMap(), 4)
    assert await members.plan(TWO, 4)
    assert await members.plan(TWO, 2), "taken back"
    assert await members.read() == ShardMap(2, 1, planned=2)
    assert not await members.move(ShardMap(2, 1, planned=4), 4), "another number is planned now"
    assert not await members.plan(ShardMap(2, 1, planned=4), 8)
    assert await members.read() == ShardMap(2, 1, planned=2)


async def test_whoever_comes_next_finds_what_was_left_under_the_old_map(
    whole: MongoStore, shards: tuple[Owned, Owned]
) -> None:
    jobs = {}
    for mine in shards:
        job = jobs[mine.order_id] = a_job(1, epoch=mine.epoch, order_id=mine.order_id)
        await whole.insert_orders([order_document(mine.order_id)])
        await applied(mine.store, mine.order_id, output(), epoch=mine.epoch)
        await mine.store.inbox.add(mine.epoch, [job])
        await mine.store.inbox.set_order_paused(mine.epoch, mine.order_id, paused=True)
    await shards[0].store.set_paused(shards[0].epoch, paused=True)
    for was, now in ((TWO, FOUR), (FOUR, ShardMap(2, 3)), (ShardMap(2, 3), ShardMap(1, 4))):
        assert await whole.shard_map.move(was, now.count)
        async with AsyncExitStack() as undo:
            owners = [await _owned(whole, index, undo, now) for index in range(now.count)]
            for order_id, job in jobs.items():
                store, epoch = owners[now.of(order_id)].store, owners[now.of(order_id)].epoch
                assert job.id in [each.id for each in await store.inbox.waiting()]
                assert order_id in await store.inbox.paused_orders()
                assert order_id in await store.dirty(10)
                assert await store.paused()
                made = await applied(store, order_id, output(), epoch=epoch)
                assert made.order.epoch == epoch
            found = [job for each in owners for job in await each.store.inbox.waiting_ids()]
            assert sorted(found) == sorted(job.id for job in jobs.values()), "each once"


async def test_a_commit_under_the_old_map_is_refused_once_the_new_owner_has_written(
    whole: MongoStore, shards: tuple[Owned, Owned]
) -> None:
    old = shards[0]
    await whole.insert_orders([order_document(old.order_id)])
    read = await loaded(old.store, old.order_id)
    assert await whole.shard_map.move(TWO, 4)
    async with AsyncExitStack() as undo:
        new = await _owned(whole, FOUR.of(old.order_id), undo, FOUR)
        await applied(new.store, old.order_id, change(1), epoch=new.epoch)
        late = await commit_one(old.store, decide(read, change(5), epoch=old.epoch), old.epoch)
        assert isinstance(late, Stale)
        assert late.current is not None
        assert late.current.epoch == new.epoch
        assert len(await whole_log(new.store, old.order_id)) == 1


async def test_an_owner_of_an_earlier_map_of_as_many_shards_is_refused(
    whole: MongoStore, shards: tuple[Owned, Owned]
) -> None:
    assert await whole.shard_map.move(TWO, 4)
    assert await whole.shard_map.move(FOUR, 2)
    for old in shards:  # nobody has claimed its shard yet
        job = a_job(1, epoch=old.epoch, order_id=old.order_id)
        with pytest.raises(Overtaken):
            await old.store.inbox.add(old.epoch, [job])
        with pytest.raises(Overtaken):
            await old.store.set_paused(old.epoch, paused=True)
        with pytest.raises(Overtaken):
            await old.store.inbox.remove(old.epoch, job.id, JobState.FAILED)
        with pytest.raises(StoreRejected, match="version 3"):
            await old.store.claim_epoch("again")
    assert not await whole.paused()
    async with AsyncExitStack() as undo:
        new = [await _owned(whole, index, undo, ShardMap(2, 3)) for index in range(2)]
        late = [job for each in new for job in await each.store.inbox.waiting_ids()]
        assert len(late) == 2, "what was kept in vain is found"


async def test_an_epoch_that_is_claimed_while_the_map_moves_is_worth_nothing(
    whole: MongoStore, shards: tuple[Owned, Owned], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = control.claim_counter

    async def slow(at: Collections, node: str, above: int, url: str) -> Epoch:
        if node == "late":
            assert await whole.shard_map.move(TWO, 4)
        return await claim(at, node, above, url)

    monkeypatch.setattr(control, "claim_counter", slow)
    with pytest.raises(StoreRejected, match="4 shards"):
        await shards[0].store.claim_epoch("late")


async def test_such_an_epoch_keeps_no_owner_under_the_new_map_from_its_jobs(
    whole: MongoStore, shards: tuple[Owned, Owned], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, claim, undo = shards[0], control.claim_counter, AsyncExitStack()
    job = a_job(1, epoch=old.epoch, order_id=old.order_id)
    await old.store.inbox.add(old.epoch, [job])
    owners: list[Owned] = []

    async def slow(at: Collections, node: str, above: int, url: str) -> Epoch:
        if node == "late":
            assert await whole.shard_map.move(TWO, 4)
            owners.append(await _owned(whole, FOUR.of(old.order_id), undo, FOUR))
        return await claim(at, node, above, url)

    monkeypatch.setattr(control, "claim_counter", slow)
    async with undo:
        with pytest.raises(StoreRejected, match="4 shards"):
            await old.store.claim_epoch("late")
        [new] = owners
        assert await new.store.inbox.remove(new.epoch, job.id, JobState.WAITING)


async def test_an_owner_of_all_orders_is_fenced_off_by_the_first_map(whole: MongoStore) -> None:
    epoch = await whole.claim_epoch("a")
    assert await whole.shard_map.plan(ShardMap(), 2)
    assert await whole.shard_map.move(ShardMap(), 2)
    with pytest.raises(Overtaken):
        await whole.inbox.add(epoch, [a_job(1, epoch=epoch, order_id=_order_of(0))])
    with pytest.raises(Overtaken):
        await whole.set_paused(epoch, paused=True)
    assert not await whole.paused()


async def test_a_pause_under_a_map_that_is_no_more_is_not_answered_as_done(
    whole: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_arguments: object) -> Epoch:
        raise OutcomeUnknown("killed")

    epoch = await whole.claim_epoch("a")
    monkeypatch.setattr(shard_map, "claim_counter", dies)
    with pytest.raises(OutcomeUnknown, match="killed"):
        await whole.shard_map.move(ShardMap(), 2)
    assert await whole.shard_map.read() == TWO
    with pytest.raises(Overtaken):
        await whole.set_paused(epoch, paused=True)
    assert not await whole.paused()
