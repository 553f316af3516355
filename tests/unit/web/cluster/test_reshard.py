"""The shards as operators see them, and another number of them while calls come."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from actors.domain.slots import ShardMap
from tests.unit.actors.shards.cluster import ORDERS, Cluster, owned
from tests.unit.web.cluster.test_shards import API, WITHIN_S, Front, WebMemory, fronts, served
from web.wire import merging

__all__ = ["fronts"]


async def test_all_shards_are_told_of_by_any_node(fronts: tuple[Front, Front]) -> None:
    for front in fronts:
        found = await front.get("/api/shards")
        assert "missingShards" not in found
        data = found["data"]
        assert (data["count"], data["version"], data["planned"]) == (4, 1, None)
        assert [row["shard"] for row in data["shards"]] == [0, 1, 2, 3]
        for mine in fronts:
            for index in owned(mine.node):
                row = data["shards"][index]
                assert (row["node"], row["serving"]) == (mine.node.node_id, True)
                assert row["counts"]["waiting"] == 0
                assert row["leaseLeftMs"] > 0


async def test_the_past_of_all_shards_is_told_of_by_any_node(fronts: tuple[Front, Front]) -> None:
    for front in fronts:
        for part in front.node.parts:
            part.sample_part()
    for front in fronts:
        found = await front.get("/api/shards/history?minutes=5")
        assert "missingShards" not in found
        assert found["data"]["everyS"] == 5
        for index, row in enumerate(found["data"]["shards"]):
            assert row["shard"] == index
            columns = [row[name] for name in ("at", "ratePerSecond", "waiting", "unlogged")]
            (rows,) = {len(column) for column in columns}
            assert rows > 0
            assert [row["waiting"][-1], row["unlogged"][-1]] == [0, 0]


def test_a_shards_past_is_that_of_all_who_owned_it_by_time() -> None:
    def told(*at: str, beside: int = 1) -> dict[str, Any]:
        columns = {"at": [*at], "ratePerSecond": [None for _ in at]}
        columns |= {"waiting": [int(each) for each in at], "unlogged": [0 for _ in at]}
        none: dict[str, list[object]] = {name: [] for name in columns}
        return {"everyS": 5, "shards": [{"shard": 0, **columns}, {"shard": beside, **none}]}

    data = merging.shard_histories({}, [told("1", "2", "7"), told("4", "5", beside=2)])
    first, second = data["shards"]
    assert data["everyS"] == 5
    assert (first["at"], first["waiting"]) == (["1", "2", "4", "5", "7"], [1, 2, 4, 5, 7])
    assert (second["shard"], second["at"]) == (1, [])


async def test_a_shard_of_which_nobody_tells_is_named_and_nothing_invented(
    fronts: tuple[Front, Front],
) -> None:
    first, second = fronts
    gone = owned(second.node)
    await second.node.parts[gone[0]].hand_over(1)
    second.node._cut.share.close()  # noqa: SLF001 -- it takes none again
    first.node._cut.share.close()  # noqa: SLF001
    found: dict[str, Any] = {}
    async with asyncio.timeout(WITHIN_S):
        # Until the other says that it serves the one no more, and of the rest how they are.
        while found.get("missingShards") != gone[:1]:
            found = await first.get("/api/shards")
    row = found["data"]["shards"][gone[0]]
    assert (row["node"], row["serving"], row["counts"]) == (None, False, None)
    assert [each["serving"] for each in found["data"]["shards"]].count(True) == 3


async def test_each_shard_has_figures_of_its_own_in_the_metrics(
    fronts: tuple[Front, Front],
) -> None:
    first, _ = fronts
    async with first.session.get("/metrics") as reply:
        lines = (await reply.text()).splitlines()
    for index in range(4):
        mine = index in owned(first.node)
        assert f'workorder_shard_owned{{shard="{index}"}} {float(mine)}' in lines
        waiting = f'workorder_shard_updates_waiting{{shard="{index}"}} 0.0'
        assert (waiting in lines) is mine


async def test_what_is_no_number_of_shards_is_refused_and_a_fixed_number_stays(
    fronts: tuple[Front, Front],
) -> None:
    for shards in (0, 65, "4", None, 2.5, True):
        refused = await fronts[0].post("/api/shards", {"shards": shards}, 400)
        assert (refused["code"], refused["data"]) == ("INVALID_SHARDS", {"field": "shards"}), shards
    refused = await fronts[0].post("/api/shards", {"shards": 2}, 409)
    assert (refused["code"], refused["data"]) == ("SHARDS_FIXED", {"node": "a"})


async def test_calls_find_their_shards_once_there_are_others() -> None:
    async with AsyncExitStack() as undo:
        cluster = Cluster(store=WebMemory())
        for lease in cluster.leases:
            lease.ttl_s = 2.0
        both = [await undo.enter_async_context(served(cluster, name, None)) for name in ("a", "b")]
        for front, count in zip(both, (2, 1), strict=True):
            told = await front.post("/api/shards", {"shards": count})
            assert told["data"]["planned"] == count
            async with asyncio.timeout(WITHIN_S):
                for order_id in ORDERS:
                    for each in both:
                        await _until_updated(each, order_id, count)
            assert cluster.store.shard_map.map.count == count
            for each in both:
                shards = (await each.get("/api/shards"))["data"]
                assert len(shards["shards"]) == shards["count"] == count
                assert (await each.get("/api/audit"))["data"]["actions"][0]["action"] == "reshard"
        assert cluster.store.shard_map.map == ShardMap(1, 3)


async def _until_updated(front: Front, order_id: str, count: int) -> None:
    """Have an order updated by a call of this node, under the map of so many shards."""
    body = {"workOrderId": order_id, "type": "input"}
    while True:
        async with front.session.post(f"{API}/update-quantity", json=body) as reply:
            if reply.status == 200 and len(front.node.parts) == count:
                return
            assert reply.status in (200, 503, 504), await reply.text()
        await asyncio.sleep(0.05)
