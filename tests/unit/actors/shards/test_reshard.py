"""The number of shards changes while nodes serve them: all give way, then all begin anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.domain.messages import Updated
from actors.domain.slots import ShardMap
from actors.errors import NotOwner, ShardsFixed, StartupError, StillWaiting
from actors.lease.port import Holder
from actors.shards.settle import settle_shards
from tests.unit.actors.owner import update
from tests.unit.actors.plant import until
from tests.unit.actors.shards.cluster import (
    ORDERS,
    TTL_S,
    Cluster,
    MemoryMembers,
    a_cluster,
    owned,
)
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from actors.shards.node import ShardedNode


async def _until_shared(count: int, *nodes: ShardedNode) -> float:
    """Return the seconds until each of `count` shards has one owner, and each node some."""
    return await until(
        lambda: (
            all(len(node.parts) == count for node in nodes)
            and sorted(index for node in nodes for index in owned(node)) == list(range(count))
            and (count < len(nodes) or all(map(owned, nodes)))
        )
    )


async def _applied_somewhere(order_id: WorkOrderId, *nodes: ShardedNode) -> bool:
    for node in nodes:
        try:
            return isinstance(await node.region.update(update(1, order_id)), Updated)
        except (NotOwner, StillWaiting):
            continue
    return False


@in_virtual_time
async def test_all_nodes_follow_to_each_number_of_shards_that_is_asked_for() -> None:
    async with a_cluster() as cluster:
        cluster.store.shard_map.map = ShardMap()
        first, second = await cluster.start("a", None), await cluster.start("b", None)
        failed = asyncio.create_task(first.wait_failed())
        await _until_shared(1, first, second)
        for version, (asked, count) in enumerate([(first, 2), (second, 4), (first, 2)], 1):
            assert (await asked.reshard(count)).planned == count
            assert await _until_shared(count, first, second) < TTL_S
            assert cluster.store.shard_map.map == ShardMap(count, version)
            for order_id in ORDERS:
                assert await _applied_somewhere(order_id, first, second)
        assert (await first.reshard(2)).planned is None, "as it is"
        await asyncio.sleep(5 * TTL_S)
        assert cluster.store.shard_map.map.version == 3
        assert not failed.done()
        failed.cancel()


@in_virtual_time
async def test_no_shard_has_an_owner_under_two_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_cluster() as cluster:
        first, second = await cluster.start("a", None), await cluster.start("b", None)
        await until(lambda: len(owned(first)) == len(owned(second)) == 2)
        members, moved = cluster.store.shard_map, []

        async def move(was: ShardMap, count: int) -> bool:
            assert owned(first) == owned(second) == []
            assert [lease.held() for lease in cluster.leases] == [None] * 4
            moved.append(await MemoryMembers.move(members, was, count))
            return moved[-1]

        monkeypatch.setattr(members, "move", move)
        claims = [store.calls["claim_epoch"] for store in cluster.store.stores]
        await first.reshard(2)
        await _until_shared(2, first, second)
        assert moved.count(True) == 1
        again = [store.calls["claim_epoch"] for store in cluster.store.stores]
        assert again == claims, "under the old map nobody did"


@in_virtual_time
async def test_a_node_with_a_number_of_its_own_keeps_the_map_as_it_is() -> None:
    async with a_cluster() as cluster:
        first = await cluster.start("a", None)
        await cluster.start("b")
        with pytest.raises(ShardsFixed, match="node b"):
            await first.reshard(2)
        with pytest.raises(ShardsFixed, match="node b"):
            await cluster.nodes[1].reshard(2)
        assert await cluster.nodes[1].drain(5)
        await first.reshard(2)
        await _until_shared(2, first)


@in_virtual_time
async def test_an_owner_that_nobody_hears_of_keeps_the_map_as_it_is() -> None:
    async with a_cluster() as cluster:
        first = await cluster.start("a", None)
        await first.parts[3].hand_over(1)
        cluster.leases[3].give(Holder("old", "http://old", "t"))
        with pytest.raises(ShardsFixed, match="node old"):
            await first.reshard(2)


@in_virtual_time
async def test_the_lease_of_a_node_that_is_gone_is_waited_for() -> None:
    async with a_cluster() as cluster:
        first = await cluster.start("a", None)
        await first.parts[3].hand_over(1)
        await first.reshard(2)
        cluster.leases[3].give(Holder("gone", "http://gone", "t"))
        await until(lambda: owned(first) == [])
        assert TTL_S / 2 < await _until_shared(2, first) < TTL_S + 2


@in_virtual_time
async def test_what_was_planned_when_all_were_killed_is_done_by_the_next_that_starts() -> None:
    async with a_cluster() as cluster:
        cluster.store.shard_map.map = ShardMap(4, 3, planned=2)
        first = await cluster.start("a", None)
        assert cluster.store.shard_map.map == ShardMap(2, 4)
        assert owned(first) == [0, 1]


@in_virtual_time
async def test_a_plan_that_is_taken_back_leaves_the_number_that_there_was() -> None:
    async with a_cluster() as cluster:
        first = await cluster.start("a", None)
        cluster.leases[3].fault = "something else"
        await first.parts[3].hand_over(1)
        cluster.leases[3].give(Holder("gone", "http://gone", "t"))
        cluster.store.shard_map.map = replace(cluster.store.shard_map.map, planned=2)
        await until(lambda: owned(first) == [])
        cluster.leases[3].fault = None
        cluster.store.shard_map.map = replace(cluster.store.shard_map.map, planned=4)
        await until(lambda: cluster.store.shard_map.map == ShardMap(4, 2))
        await _until_shared(4, first)


@in_virtual_time
async def test_a_store_or_a_lease_that_does_not_answer_meanwhile_delays_it_alone() -> None:
    async with a_cluster() as cluster:
        first = await cluster.start("a", None)
        await first.reshard(2)
        for lease in cluster.leases:
            lease.reachable = False
        await asyncio.sleep(2 * TTL_S)
        for lease in cluster.leases:
            lease.reachable = True
        cluster.store.shard_map.reachable = False
        await asyncio.sleep(2 * TTL_S)
        cluster.store.shard_map.reachable = True
        await _until_shared(2, first)
        assert await _applied_somewhere(ORDERS[0], first)


@pytest.mark.parametrize("after_s", [0.0, 0.95, 1.0, 1.001, 1.05, 1.1, 1.2, 1.5])
@in_virtual_time
async def test_a_node_that_is_stopped_in_the_middle_leaves_nothing_behind(after_s: float) -> None:
    async with a_cluster() as cluster:
        first, second = await cluster.start("a", None), await cluster.start("b", None)
        await _until_shared(4, first, second)
        await second.reshard(2)
        await asyncio.sleep(after_s)
        assert await first.drain(5)
        await _until_shared(2, second)


@in_virtual_time
async def test_a_shard_that_dies_under_the_new_map_ends_the_node() -> None:
    async with a_cluster() as cluster:
        node = await cluster.start("a", None)
        failed = asyncio.create_task(node.wait_failed())
        await node.reshard(2)
        await _until_shared(2, node)
        assert node.ownership().taken_over == 6, "under both maps"
        await asyncio.sleep(1)
        assert not failed.done()
        node.parts[1]._actor.died.set()  # type: ignore[union-attr]  # noqa: SLF001
        async with asyncio.timeout(TTL_S):
            await failed


@in_virtual_time
async def test_a_fixed_number_is_refused_while_another_is_planned_and_somebody_owns() -> None:
    cluster = Cluster()
    members = cluster.store.shard_map
    members.map = ShardMap(4, 1, planned=2)
    cluster.leases[0].give(Holder("a", "http://a", "t"))
    with pytest.raises(StartupError, match="SHARDS=2"):
        await settle_shards(members, 4, cluster.new_lease)
    assert await settle_shards(members, None, cluster.new_lease) == members.map
    cluster.leases[0].take_away()
    assert await settle_shards(members, 4, cluster.new_lease) == ShardMap(4, 2)
