"""Front doors and the processes behind them follow the map to another number of shards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.domain.messages import Updated
from actors.domain.slots import ShardMap
from actors.errors import NotOwner, ShardsFixed
from actors.lease.port import Holder
from actors.ray.shard import MAKE_WAY
from actors.wire.payload import pack
from tests.unit.actors.owner import update
from tests.unit.actors.plant import until
from tests.unit.actors.ray.test_engine import an_open_door, door
from tests.unit.actors.shards.cluster import ORDERS, TTL_S, order_in
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.ray.engine import RayEngine


async def until_served(count: int, *engines: RayEngine) -> float:
    """Return the seconds until each of `count` shards is served, as all front doors see it."""
    return await until(
        lambda: all(
            [each.serving for each in engine.status().shards] == [True] * count
            for engine in engines
        )
    )


@in_virtual_time
async def test_all_follow_to_each_number_of_shards_that_is_asked_for() -> None:
    async with an_open_door(None) as at:
        members = at.processes.cluster.store.shard_map
        other = door(None, "other", at.processes.shared()).engine
        await other.start()
        await asyncio.sleep(2)
        for version, (asked, count) in enumerate(
            [(at.engine, 2), (other, 1), (at.engine, 4)], start=2
        ):
            assert (await asked.reshard(count)).planned == count
            assert asked.shards is not None
            assert await until_served(count, at.engine, other) < TTL_S
            assert members.map == ShardMap(count, version)
            assert asked.shards == members.map
            for engine in (at.engine, other):
                for order_id in ORDERS:
                    done = await engine.region.update(update(order_id=order_id))
                    assert isinstance(done, Updated)
        assert (await at.engine.reshard(4)).planned is None, "as it is"
        await asyncio.sleep(5 * TTL_S)
        assert members.map.version == 4
        await other.close()


@pytest.mark.parametrize(("ready_after_s", "served_for_s"), [(30.0, 30.0), (1000.0, 60.0)])
@in_virtual_time
async def test_shards_are_given_up_once_all_is_there_that_is_to_take_them_or_after_long(
    ready_after_s: float, served_for_s: float
) -> None:
    async with an_open_door(None) as at:
        at.processes.slow = True
        await at.engine.reshard(2)
        await asyncio.sleep(served_for_s - 2)
        assert await until_served(4, at.engine) == 0
        at.processes.slow = ready_after_s > served_for_s
        assert await until_served(2, at.engine) < 2 + TTL_S


@in_virtual_time
async def test_a_plan_in_the_place_of_another_is_waited_for_anew() -> None:
    async with an_open_door(None) as at:
        at.processes.slow = True
        await at.engine.reshard(2)
        await asyncio.sleep(50)
        await at.engine.reshard(1)
        # From a front door that has read the plan before it.
        for shard in range(4):
            for each in at.processes.handles(shard):
                await each.operate(pack(MAKE_WAY, 1, 2))
        await asyncio.sleep(15)
        assert await until_served(4, at.engine) == 0
        at.processes.slow = False
        assert await until_served(1, at.engine) < 2 + TTL_S
        assert at.processes.cluster.store.shard_map.map == ShardMap(1, 2)


@in_virtual_time
async def test_an_owner_that_gives_no_way_is_waited_for() -> None:
    async with an_open_door(None) as at:
        await at.engine.reshard(2)
        await until_served(2, at.engine)
        at.processes.kept.clear()
        at.processes.cluster.leases[1].give(Holder("frozen", "", "t"))
        await at.engine.reshard(4)
        await asyncio.sleep(2)
        assert at.processes.cluster.store.shard_map.map.planned == 4, "somebody owns still"
        assert set(at.processes.kept) == {4}
        at.processes.cluster.leases[1].take_away()
        await until_served(4, at.engine)


@in_virtual_time
async def test_what_waits_for_a_shard_is_refused_when_the_orders_are_cut_anew() -> None:
    async with an_open_door(None) as at:
        for name in ("3a", "3b"):
            await at.processes.end(name)
        await until(lambda: at.engine.parts[3].link.news is None)
        late = update(order_id=order_in(3), within=60)
        waits = asyncio.create_task(at.engine.region.update(late))
        await at.engine.reshard(2)
        with pytest.raises(NotOwner, match="cut anew"):
            await waits
        assert isinstance(
            await at.engine.region.update(update(order_id=order_in(3), within=9)), Updated
        )


@in_virtual_time
async def test_a_front_door_with_a_number_of_its_own_keeps_the_map_as_it_is() -> None:
    async with an_open_door(None) as at:
        fixed = door(name="fixed", processes=at.processes.shared()).engine
        await fixed.start()
        await asyncio.sleep(2)
        for engine in (at.engine, fixed):
            with pytest.raises(ShardsFixed, match="node fixed"):
                await engine.reshard(2)
        failed = asyncio.create_task(fixed.wait_failed())
        await asyncio.sleep(5)
        assert not failed.done()
        # Another release has moved it all the same: it must not serve by the old one.
        await at.processes.cluster.store.shard_map.plan(ShardMap(4, 1), 2)
        async with asyncio.timeout(2 * TTL_S):
            await failed
        await fixed.close()


@in_virtual_time
async def test_a_store_that_does_not_answer_ends_no_follower() -> None:
    async with an_open_door(None) as at:
        members = at.processes.cluster.store.shard_map
        members.reachable = False
        await asyncio.sleep(TTL_S)
        assert at.engine.status().serving
        members.reachable = True
        await at.engine.reshard(2)
        await until_served(2, at.engine)
