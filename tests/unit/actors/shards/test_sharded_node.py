"""Shards are shared out over the nodes, one owner each, and are one service to those who ask."""

from __future__ import annotations

import asyncio

import pytest

from actors.domain.messages import Queued, Updated
from actors.domain.slots import ShardMap
from actors.errors import (
    MailboxFull,
    NotOwner,
    StartupError,
    StoreUnavailable,
    WorkOrderError,
)
from actors.node.status import Role
from actors.operators.rows import ActorQuery, Sort
from actors.shards.jobs import total_of
from actors.shards.share import Share, fair_share
from actors.telemetry.part_samples import PartSamples
from actors.telemetry.samples import MAX_SAMPLES
from tests.unit.actors.nodes import die
from tests.unit.actors.owner import update
from tests.unit.actors.plant import until
from tests.unit.actors.shards.cluster import ORDERS, SHARDS, TTL_S, a_cluster, order_in, owned
from tests.virtual_time import in_virtual_time


@pytest.mark.parametrize("shards", [1, 2, 4, 5, 16])
@pytest.mark.parametrize("nodes", [1, 2, 3, 7])
def test_the_shares_of_all_nodes_are_all_shards(shards: int, nodes: int) -> None:
    names = [f"node-{number}" for number in range(nodes)]
    shares = [fair_share(shards, names, each) for each in names]
    assert sum(shares) == shards
    assert max(shares) - min(shares) <= 1


def test_a_node_that_nobody_sees_tries_for_all() -> None:
    assert fair_share(4, ["b"], "a") == 4


@in_virtual_time
async def test_a_node_alone_owns_all_shards_and_serves_each_order() -> None:
    async with a_cluster() as cluster:
        node = await cluster.start("a")

        assert owned(node) == [0, 1, 2, 3]
        status = node.status()
        assert (status.role, status.serving, status.reason) == (Role.OWNER, True, None)
        assert [each.lease_holder for each in status.shards] == ["a"] * 4
        answers = await node.region.update_many([update(1, order_id) for order_id in ORDERS])
        assert [each.work_order_id for each in answers if isinstance(each, Updated)] == ORDERS
        for order_id in ORDERS:
            assert cluster.store.stores[SHARDS.of(order_id)].quantity(order_id) == 1


@in_virtual_time
async def test_a_node_that_joins_is_handed_its_share_and_nothing_fails_for_good() -> None:
    async with a_cluster() as cluster:
        first = await cluster.start("a")
        kept = [await first.region.update(update(1, order_id)) for order_id in ORDERS]
        assert len(kept) == len(ORDERS)
        second = await cluster.start("b")
        await until(lambda: len(owned(second)) == 2)

        assert sorted(owned(first) + owned(second)) == [0, 1, 2, 3]
        assert all(store.calls["claim_epoch"] <= 2 for store in cluster.store.stores)
        await asyncio.sleep(10 * TTL_S)
        assert len(owned(first)) == len(owned(second)) == 2, "and there it stays"
        assert second.ownership().taken_over == 2
        for index in range(4):
            here, there = (first, second) if index in owned(first) else (second, first)
            assert isinstance(await here.region.update(update(1, order_in(index))), Updated)
            with pytest.raises(NotOwner):
                await there.region.update(update(1, order_in(index)))
            holder = there.parts[index].owner_elsewhere()
            assert holder is not None
            assert holder.node == here.node_id
            assert there.parts[index].confirms(holder)


@in_virtual_time
async def test_each_shards_past_is_of_the_times_at_which_a_node_owned_it() -> None:
    async with a_cluster() as cluster:
        first = await cluster.start("a")
        await asyncio.sleep(10)
        second = await cluster.start("b")
        await until(lambda: len(owned(second)) == 2)
        before = {index: len(first.parts[index].past(0)) for index in owned(second)}
        await asyncio.sleep(30)
        for index, rows in before.items():
            assert rows >= 2
            assert len(first.parts[index].past(0)) == rows
            assert len(second.parts[index].past(0)) == 6
        for index in owned(first):
            assert second.parts[index].past(0) == []


def test_a_shards_past_is_that_of_an_hour() -> None:
    moments = iter(range(10_000))
    samples = PartSamples(lambda: next(moments))
    for waiting in range(1000):
        samples.take(None, waiting, 0)
    assert [each.waiting for each in samples.since(998)] == [998, 999]
    assert len(samples.since(0)) == MAX_SAMPLES


@in_virtual_time
async def test_who_has_handed_a_shard_over_soon_knows_the_next_owner() -> None:
    async with a_cluster() as cluster:
        first, second = await cluster.start("a"), await cluster.start("b")
        await until(lambda: len(owned(second)) == 2)
        handed = [first.parts[index] for index in owned(second)]
        assert await until(lambda: all(part.owner_elsewhere() for part in handed)) < 0.5


@pytest.mark.parametrize("phase_s", [0.0, 0.3, 0.6, 0.9])
@in_virtual_time
async def test_a_node_that_leaves_gives_its_shards_to_those_that_stay_at_once(
    phase_s: float,
) -> None:
    async with a_cluster() as cluster:
        first, second = await cluster.start("a"), await cluster.start("b")
        await until(lambda: len(owned(second)) == 2)
        await asyncio.sleep(phase_s)
        assert await second.drain(5)
        assert await until(lambda: len(owned(first)) == 4) < 0.8


@pytest.mark.parametrize("phase_s", [0.0, 0.3, 0.6, 0.9])
@in_virtual_time
async def test_what_a_node_owned_that_is_gone_is_taken_when_its_lease_has_run_out(
    phase_s: float,
) -> None:
    async with a_cluster() as cluster:
        first, second = await cluster.start("a"), await cluster.start("b")
        await until(lambda: len(owned(second)) == 2)
        await asyncio.sleep(phase_s)
        assert second._sharing is not None  # noqa: SLF001 -- it is frozen
        second._sharing.cancel()  # noqa: SLF001
        for part in second.parts:
            die(part)
        assert await until(lambda: len(owned(first)) == 4) < TTL_S + 0.5


@in_virtual_time
async def test_what_nobody_takes_whose_share_it_is_is_taken_by_another() -> None:
    async with a_cluster() as cluster:
        first = await cluster.start("a")

        async def seems_there() -> None:
            member = cluster.nodes[1]._me  # noqa: SLF001 -- it says so, and takes nothing
            while True:
                await cluster.store.shard_map.beat(member, TTL_S)
                await asyncio.sleep(0.5)

        cluster.new_node("b")
        ghost = asyncio.create_task(seems_there())
        await until(lambda: len(owned(first)) == 2)
        assert await until(lambda: len(owned(first)) == 4) >= 2 * TTL_S
        await asyncio.sleep(5 * TTL_S)
        assert len(owned(first)) == 4, "it is not given up again soon"
        ghost.cancel()


def test_leave_is_given_for_the_share_and_no_more() -> None:
    share = Share(TTL_S)
    share.fair = 2
    assert [share.take(index) for index in range(4)] == [True, True, False, False]
    assert share.take(0), "it is owned"
    share.give_back(0)
    assert share.take(3)
    share.leave()
    share.give_back(3)
    assert (share.take(3), share.take(1)) == (False, True), "what it has it keeps"
    assert (share.over(2), share.over(3)) == (0, 1)


@in_virtual_time
async def test_a_pause_of_all_is_heeded_by_every_node() -> None:
    async with a_cluster() as cluster:
        first, second = await cluster.start("a"), await cluster.start("b")
        await until(lambda: len(owned(second)) == 2)
        await first.region.pause()
        assert first.status().paused
        await until(lambda: second.status().paused)
        assert isinstance(await second.region.update(update(1, order_in(owned(second)[0]))), Queued)
        for store in cluster.store.stores:
            await store.set_paused(await store.epoch(), paused=False)
        await until(lambda: not first.status().paused and not second.status().paused)


@in_virtual_time
async def test_operators_see_all_shards_as_one() -> None:
    async with a_cluster() as cluster:
        node = await cluster.start("a")
        await node.region.update_many([update(1, order_id) for order_id in ORDERS])
        counts = node.region.statistics()
        assert (counts.live_actors, counts.completed, counts.jobs) == (40, 40, 0)
        look = node.inspector()
        assert sum((await look.summary()).states.values()) == 40
        rows = []
        for page in range(1, 5):
            total, some = await look.page(ActorQuery(page, 12, Sort.ACTIVE))
            assert total == 40
            rows += some
        assert sorted(row.work_order_id for row in rows) == sorted(ORDERS)
        assert len((await look.hot(5)).busiest) == 5
        assert await look.has(ORDERS[0])
        assert await look.numbers(ORDERS) == {each: f"WO-{each}" for each in ORDERS}
        assert await look.one(ORDERS[0]) is not None
        total, held = await node.region.held(7)
        assert (total, len(held)) == (40, 7)
        assert [lock.since for lock in held] == sorted(lock.since for lock in held)


@pytest.mark.parametrize(
    ("done", "raised"),
    [
        ((2, 3), None),
        ((2, MailboxFull("inbox", 7)), None),
        ((MailboxFull("inbox", 7),), MailboxFull),
        ((0, MailboxFull("inbox", 7)), MailboxFull),
        ((2, MailboxFull("inbox", 7), StoreUnavailable("away")), StoreUnavailable),
    ],
)
async def test_a_full_shard_is_no_failure_where_others_did_something_and_any_other_is(
    done: tuple[int | Exception, ...], raised: type[Exception] | None
) -> None:
    async def act(answer: int | Exception) -> int:
        if isinstance(answer, Exception):
            raise answer
        return answer

    calls = [act(each) for each in done]
    if raised is None:
        assert await total_of(calls) == sum(each for each in done if isinstance(each, int))
        return
    with pytest.raises(raised):
        await total_of(calls)


@in_virtual_time
async def test_jobs_of_all_shards_are_found_by_their_ids_and_in_pages() -> None:
    async with a_cluster() as cluster:
        node = await cluster.start("a")
        await node.region.pause()
        for order_id in ORDERS:
            await node.region.update(update(1, order_id, wait=False))
        total, first = await node.jobs.page("waiting", None, 1, 25)
        assert total == (await node.jobs.counts()).waiting == 40
        _, second = await node.jobs.page("waiting", None, 2, 25)
        found = [job for job, _ in first + second]
        assert [job.work_order_id for job in found] == ORDERS, "by the time of their arrival"
        assert (await node.jobs.find(found[0].id))[1] == "waiting"
        await node.jobs.remove(found[0].id)
        assert (await node.jobs.page("waiting", None, 1, 1))[0] == 39
        assert (await node.jobs.page("waiting", found[1].work_order_id, 1, 9))[0] == 1
        assert (await node.jobs.counts(found[1].work_order_id)).waiting == 1
        assert await node.jobs.retry_failed(None, None) == 0
        assert await node.jobs.discard_failed(None, None) == 0
        await node.region.resume()
        await until(lambda: node.region.statistics().jobs == 0)
        assert node.region.statistics().completed == 39


@in_virtual_time
async def test_another_number_of_shards_is_refused_while_any_is_owned() -> None:
    async with a_cluster() as cluster:
        first = await cluster.start("a")
        other = cluster.new_node("b", 2)
        with pytest.raises(StartupError, match="SHARDS=4"):
            await other.start()
        assert await first.drain(5)
        await other.start()
        assert cluster.store.shard_map.map == ShardMap(2, 2)
        assert owned(other) == [0, 1]


@in_virtual_time
async def test_a_node_ends_when_the_map_is_another() -> None:
    async with a_cluster() as cluster:
        node = await cluster.start("a")
        cluster.store.shard_map.map = ShardMap(8, 2)
        async with asyncio.timeout(TTL_S):
            await node.wait_failed()


@in_virtual_time
async def test_a_store_that_does_not_answer_changes_no_share() -> None:
    async with a_cluster() as cluster:
        node = await cluster.start("a")
        cluster.store.shard_map.reachable = False
        await asyncio.sleep(3 * TTL_S)
        assert owned(node) == [0, 1, 2, 3]
        cluster.store.shard_map.reachable = True


@in_virtual_time
async def test_without_a_shard_everything_is_refused() -> None:
    async with a_cluster() as cluster:
        node = cluster.new_node("a")
        for call in (
            node.region.pause(),
            node.jobs.retry_failed(None, None),
            node.clean(0),
        ):
            with pytest.raises(NotOwner):
                await call
        with pytest.raises(NotOwner):
            node.inspector()
        answers = await node.region.update_many([update(1, each) for each in ORDERS])
        assert {type(each) for each in answers} == {NotOwner}
        assert isinstance(answers[0], WorkOrderError)
        assert not node.started
