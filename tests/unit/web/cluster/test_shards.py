"""Two nodes in one process, two shards each: any call at either, and what is away."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, web

from actors.node.options import NodeOptions
from actors.node.term import TermOptions
from actors.orders.supervisor import Limits
from actors.shards.node import ShardedNode
from tests.unit.actors.shards.cluster import ORDERS, SHARDS, Cluster, ShardedMemory, owned
from web.app import Options, build_app
from web.cluster.fleet import FLEET, term_of
from web.server.front import RUNNER_OPTIONS
from web.server.service import bind
from web.wire import merging
from web.wire.usual import MAX_REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from actors.domain.model import WorkOrderId

API = "/api/workorder"
WITHIN_S = 100.0
"""Only a hang reaches it."""


class WebMemory(ShardedMemory):
    """What the web asks of the whole store, besides."""

    async def cluster_secret(self, fresh: str) -> str:
        return await self.stores[0].cluster_secret(fresh)

    async def detail(self, order_id: WorkOrderId) -> Mapping[str, Any] | None:
        return await self.stores[SHARDS.of(order_id)].detail(order_id)

    async def load(self, ids: Sequence[WorkOrderId]) -> list[Any]:
        return [(await self.stores[SHARDS.of(each)].load([each]))[0] for each in ids]

    async def search(self, text: str, limit: int) -> list[Mapping[str, Any]]:
        found = [await store.search(text, limit) for store in self.stores]
        return [row for rows in found for row in rows][:limit]

    async def numbers(self, ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        found = [await store.numbers(ids) for store in self.stores]
        return {order_id: number for each in found for order_id, number in each.items()}

    async def log_page(self, query: Any) -> Any:  # noqa: ANN401 -- the port's
        return await self.stores[SHARDS.of(query.work_order_id)].log_page(query)


@dataclass
class Front:
    """A node behind its application."""

    node: ShardedNode
    session: ClientSession
    runner: web.AppRunner

    async def get(self, path: str, status: int = 200) -> dict[str, Any]:
        async with self.session.get(path) as reply:
            body: dict[str, Any] = await reply.json()
            assert reply.status == status, body
            return body

    async def post(self, path: str, body: object, status: int = 200) -> dict[str, Any]:
        async with self.session.post(path, json=body) as reply:
            answer: dict[str, Any] = await reply.json()
            assert reply.status == status, answer
            return answer


@asynccontextmanager
async def served(
    cluster: Cluster, name: str, count: int | None = SHARDS.count
) -> AsyncIterator[Front]:
    (sock,) = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    store: Any = cluster.store
    options = NodeOptions(name, url, 2.0, TermOptions(Limits()))
    node = ShardedNode(store, cluster.new_lease, count, options)
    runner = web.AppRunner(build_app(node, Options(request_timeout_s=60.0)), **RUNNER_OPTIONS)
    await runner.setup()
    await node.start()
    await web.SockSite(runner, sock).start()
    async with ClientSession(url, headers={"Accept-Language": "en"}) as session:
        try:
            yield Front(node, session, runner)
        finally:
            await node.drain(5)
            await runner.cleanup()
            await node.close()


@pytest.fixture
async def fronts() -> AsyncIterator[tuple[Front, Front]]:
    async with AsyncExitStack() as undo:
        cluster = Cluster(store=WebMemory())
        for lease in cluster.leases:
            lease.ttl_s = WITHIN_S
        first = await undo.enter_async_context(served(cluster, "a"))
        second = await undo.enter_async_context(served(cluster, "b"))
        await _until_all_served(first, second)
        yield first, second


async def _until_all_served(first: Front, second: Front) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            if len(owned(first.node)) == len(owned(second.node)) == 2:
                both = [(await front.session.get("/health")).status for front in (first, second)]
                if both == [200, 200]:
                    return
            await asyncio.sleep(0.05)


def _items(key: str) -> dict[str, Any]:
    return {
        "requestId": key,
        "updates": [{"workOrderId": order_id, "type": "input"} for order_id in ORDERS],
    }


async def test_any_call_is_answered_by_either_node(fronts: tuple[Front, Front]) -> None:
    for front in fronts:
        batch = await front.post(f"{API}/batch-update-quantity", _items(front.node.node_id))
        assert (batch["code"], batch["data"]["succeeded"]) == ("UPDATED", len(ORDERS))
        assert [row["workOrderId"] for row in batch["data"]["results"]] == ORDERS
        again = await front.post(f"{API}/batch-update-quantity", _items("a"))
        assert all(row["replayed"] for row in again["data"]["results"])
        for order_id in ORDERS[:8]:
            body = {"workOrderId": order_id.upper(), "type": "input"}
            assert (await front.post(f"{API}/update-quantity", body))["code"] == "UPDATED"
            assert (await front.get(f"/api/actors/{order_id}"))["data"]["live"]
    for front in fronts:
        page = await front.get("/api/actors?page=3&pageSize=15&sort=active")
        assert (page["data"]["total"], len(page["data"]["actors"])) == (40, 10)
        assert (await front.get("/api/actors/stats"))["data"]["live"] == 40
        locks = (await front.get(f"{API}/queue/locks?limit=33"))["data"]
        assert (locks["total"], len(locks["locks"])) == (40, 33)
        assert all(row["workOrderNo"] == f"WO-{row['workOrderId']}" for row in locks["locks"])
        health = await front.get("/health")
        assert [each["node"] for each in health["shards"]].count("a") == 2
        assert [each["serving"] for each in health["shards"]] == [True] * 4
        assert (await front.get("/api/nodes"))["success"]
        alarms = (await front.get("/api/alarms"))["data"]["alarms"]
        assert [each for each in alarms if each["severity"] == "critical"] == []


async def test_a_part_of_a_batch_has_the_keys_and_the_items_of_the_whole(
    fronts: tuple[Front, Front],
) -> None:
    first, second = fronts
    batch = _items("k" * MAX_REQUEST_ID)
    odd = [{"workOrderId": "\ud800", "type": "input"}, 5, {"workOrderId": ORDERS[0], "type": 7}]
    batch["updates"] += odd
    text = json.dumps(batch).replace('"type": 7', '"type": NaN')
    rows = []
    for front in (first, second, first):
        async with front.session.post(f"{API}/batch-update-quantity", data=text) as reply:
            rows.append((await reply.json())["data"]["results"])
    assert [row["success"] for row in rows[0]] == [True] * len(ORDERS) + [False] * 3
    assert [row["replayed"] for row in rows[0][:-3]] == [False] * len(ORDERS)
    for again in rows[1:]:
        assert [row["jobId"] for row in again[:-3]] == [row["jobId"] for row in rows[0][:-3]]
        assert all(row["replayed"] for row in again[:-3])
    batch["itemNumbers"] = list(range(100, 143))
    told = await first.post(f"{API}/batch-update-quantity", batch)
    assert all(row["replayed"] for row in told["data"]["results"][:-3]), "no caller's numbers"


async def test_a_page_behind_the_last_is_empty_and_asks_for_no_more(
    fronts: tuple[Front, Front],
) -> None:
    first, _ = fronts
    await first.post(f"{API}/batch-update-quantity", _items("p"))
    page = (await first.get("/api/actors?page=1000000&pageSize=1000"))["data"]
    assert (page["total"], page["actors"]) == (40, [])
    async with first.session.head(f"{API}/queue/stats") as reply:
        assert reply.status == 200


async def test_what_a_bad_call_is_told_is_what_one_node_tells(
    fronts: tuple[Front, Front],
) -> None:
    front = fronts[0]
    for body, code in (
        ({"type": "input"}, "MISSING_WORK_ORDER_ID"),
        ({"workOrderId": 5, "type": "input"}, "INVALID_WORK_ORDER_ID"),
        ({"workOrderId": "x", "type": "input"}, "INVALID_WORK_ORDER_ID"),
    ):
        assert (await front.post(f"{API}/update-quantity", body, 400))["code"] == code
    wrong: list[Any] = [None, [], 5]
    for updates in wrong:
        refused = await front.post(f"{API}/batch-update-quantity", {"updates": updates}, 400)
        assert refused["code"] == "INVALID_UPDATES"
    assert (await front.get("/api/actors?state=odd", 400))["code"] == "INVALID_ACTOR_QUERY"
    assert (await front.get(f"{API}/queue/jobs/{'0' * 24}", 404))["code"] == "JOB_NOT_FOUND"
    assert (await front.get("/api/actors/zz", 400))["code"] == "INVALID_WORK_ORDER_ID"


async def test_a_pause_is_one_for_all_and_jobs_are_found_wherever_they_wait(
    fronts: tuple[Front, Front],
) -> None:
    first, second = fronts
    await first.post(f"{API}/queue/pause", None)
    assert all(front.node.status().paused for front in fronts)
    queued = await second.post(f"{API}/batch-update-quantity", _items("j"))
    assert queued["code"] == "QUEUED"
    listed = (await first.get(f"{API}/queue/jobs?state=waiting&page=2&pageSize=30"))["data"]
    assert (listed["total"], len(listed["jobs"])) == (40, 10)
    job = queued["data"]["results"][0]["jobId"]
    for front in fronts:
        counted = await front.get(f"{API}/queue/job-counts")
        assert counted["data"]["waiting"] == 40
        assert (await front.get(f"{API}/queue/jobs/{job}"))["data"]["state"] == "waiting"
        assert (await front.post(f"{API}/queue/jobs/{job}/retry", None, 409))["code"] == (
            "JOB_STATE_CONFLICT"
        )
    for job_row in queued["data"]["results"][:4]:
        path = f"{API}/queue/jobs/{job_row['jobId']}"
        async with first.session.delete(path) as reply:
            assert reply.status == 200
    await second.post(f"{API}/queue/resume", None)
    async with asyncio.timeout(WITHIN_S):
        while (await first.get(f"{API}/queue/stats"))["data"]["total"]:  # noqa: ASYNC110 -- of both
            await asyncio.sleep(0.02)
    retried = await first.post(f"{API}/queue/retry-failed", {"workOrderId": ORDERS[0]})
    assert retried["data"] == {"retried": 0}
    assert (await second.post(f"{API}/queue/discard-failed", None))["data"] == {"discarded": 0}
    assert (await second.get(f"{API}/queue/job-counts"))["data"]["completed"] == 36
    await first.post(f"{API}/{ORDERS[0]}/pause", None)
    for front in fronts:
        stats = (await front.get(f"{API}/queue/stats"))["data"]
        assert stats["pausedOrders"] == [ORDERS[0]]


async def test_an_order_is_found_by_its_number_whichever_node_owns_it(
    fronts: tuple[Front, Front],
) -> None:
    await fronts[0].post(f"{API}/batch-update-quantity", _items("n"))
    for front in fronts:
        assert await front.node.inspector().numbers(ORDERS) == {
            order_id: f"WO-{order_id}"
            for order_id in ORDERS
            if SHARDS.of(order_id) in owned(front.node)
        }
        for order_id in ORDERS[:8]:
            number = f"WO-{order_id}"
            shown = (await front.get(f"/api/actors/{number}"))["data"]
            assert (shown["workOrderId"], shown["live"]) == (order_id, True)
            paused = await front.post(f"{API}/{number}/pause", None)
            assert paused["data"] == {"workOrderId": order_id, "paused": True}
            await front.post(f"{API}/{number}/resume", None)
            for name in (number, ""):
                retried = await front.post(f"{API}/queue/retry-failed", {"workOrderId": name})
                assert retried["data"] == {"retried": 0}


async def test_an_operation_is_done_whichever_node_owns_the_order(
    fronts: tuple[Front, Front],
) -> None:
    for front in fronts:
        for order_id in ORDERS[:8]:
            barcode = {"relatedBarcode": f"{front.node.node_id}-{order_id}"}
            scrap = {"operation": "scrap", "logContext": barcode}
            done = await front.post(f"{API}/{order_id}/operations", scrap)
            assert done["success"], done
        barcode = {"relatedBarcode": f"{front.node.node_id}-many"}
        each = {"operation": "scrap", "logContext": barcode}
        many = [{**each, "workOrderId": order_id} for order_id in ORDERS]
        for replayed in (False, True):
            body = {"operations": many, "requestId": f"{front.node.node_id}-many"}
            done = await front.post(f"{API}/batch-operations", body)
            assert (done["code"], done["data"]["succeeded"]) == ("OK", len(ORDERS))
            assert {row["replayed"] for row in done["data"]["results"]} == {replayed}


async def test_an_item_whose_owner_refused_the_whole_part_has_what_is_known_of_the_cause(
    fronts: tuple[Front, Front],
) -> None:
    first, second = fronts
    ours = next(each for each in ORDERS if SHARDS.of(each) in owned(first.node))
    theirs = next(each for each in ORDERS if SHARDS.of(each) in owned(second.node))
    await first.post(f"{API}/{theirs}/pause", {})
    items = [{"workOrderId": each, "operation": "pause"} for each in (theirs, ours)]
    done = await first.post(f"{API}/batch-operations", {"operations": items})
    refused, paused = done["data"]["results"]
    assert (refused["code"], refused["operation"]) == ("SERVICE_UNAVAILABLE", "pause")
    assert refused["paused"] is refused["data"]["paused"] is True
    assert paused["afterStatus"] == "PAUSED"


async def test_what_is_paused_is_one_list_with_who_did_it_and_the_node_that_acts_keeps_it(
    fronts: tuple[Front, Front],
) -> None:
    first, second = fronts
    mine = [next(each for each in ORDERS if SHARDS.of(each) in owned(one.node)) for one in fronts]
    for order_id in mine:
        await first.post(f"{API}/{order_id}/pause?reason=jam", None)
        body = {"workOrderId": order_id, "type": "input", "wait": False}
        assert (await second.post(f"{API}/update-quantity", body))["code"] == "QUEUED"
    for front in fronts:
        listed = (await front.get(f"{API}/paused"))["data"]
        rows = [(row["workOrderId"], row["waiting"], row["reason"]) for row in listed["orders"]]
        assert rows == [(order_id, 1, "jam") for order_id in mine]
        assert (listed["all"], listed["total"], listed["storeRead"]) == (None, 2, True)
        assert len((await front.get(f"{API}/paused?limit=1"))["data"]["orders"]) == 1
        resting = (await front.get(f"/api/actors/{mine[0]}"))["data"]
        assert (resting["paused"], resting["depth"]) == (True, 1)
    actions = (await second.get("/api/audit"))["data"]["actions"]
    assert [(each["workOrderId"], each["node"]) for each in actions] == [
        (mine[1], "b"),
        (mine[0], "a"),
    ]
    await second.post(f"{API}/queue/pause", None)
    assert (await first.get(f"{API}/paused"))["data"]["all"]["address"] == "127.0.0.1"


async def test_the_owner_of_the_first_shard_keeps_the_past_and_counts_the_nodes(
    fronts: tuple[Front, Front],
) -> None:
    keeper = next(front for front in fronts if 0 in owned(front.node))
    for front in fronts:
        await front.runner.app[FLEET].look()
    state = keeper.runner.app[FLEET].state()
    assert state is not None
    assert state.present == 2
    assert [term_of(front.node) > 0 for front in fronts].count(True) == 1


async def test_a_stream_tells_what_happens_at_both_nodes(fronts: tuple[Front, Front]) -> None:
    first, second = fronts
    seen: set[str] = set()

    async def read() -> None:
        async with first.session.get("/api/events") as reply:
            async for line in reply.content:
                if line.startswith(b"data: "):
                    order_id = json.loads(line[6:]).get("workOrderId")
                    seen.update([order_id] if order_id else [])
                if seen >= set(ORDERS):
                    return

    reading = asyncio.create_task(read())
    async with asyncio.timeout(WITHIN_S):
        while not reading.done():
            await second.post(f"{API}/batch-update-quantity", {**_items("e"), "requestId": None})
            await asyncio.wait({reading}, timeout=0.2)
    await reading


async def test_what_a_shard_that_is_away_leaves_out_is_said(fronts: tuple[Front, Front]) -> None:
    first, second = fronts
    await first.post(f"{API}/batch-update-quantity", _items("k"))
    theirs = owned(second.node)
    await second.runner.cleanup()  # it is there, and does not answer
    idle: list[int] = []
    async with asyncio.timeout(WITHIN_S):
        while idle != theirs:
            async with first.session.get("/health") as reply:
                shards = (await reply.json())["shards"]
                idle = [each["shard"] for each in shards if not each["serving"]]
                assert reply.status == (503 if idle else 200)
            await asyncio.sleep(0.05)
    assert (await first.get("/readyz"))["status"] == "ok"
    alarms = (await first.get("/api/alarms"))["data"]["alarms"]
    (away,) = (each for each in alarms if each["code"] == "SHARDS_AWAY")
    assert ", ".join(map(str, theirs)) in away["message"]
    stats = await first.get(f"{API}/queue/stats")
    assert stats["missingShards"] == theirs
    batch = await first.post(f"{API}/batch-update-quantity", _items("l"))
    assert batch["code"] == "PARTIALLY_UPDATED"
    for order_id, row in zip(ORDERS, batch["data"]["results"], strict=True):
        away = SHARDS.of(order_id) in theirs
        assert (row["success"], row["code"]) == (
            (False, "SERVICE_UNAVAILABLE") if away else (True, "UPDATED")
        )
        assert not away or (row["retryable"] and row["retryAfter"] == 1)
    lost = next(each for each in ORDERS if SHARDS.of(each) in theirs)
    body = {"workOrderId": lost, "type": "input"}
    assert (await first.post(f"{API}/update-quantity", body, 503))["code"] == "SERVICE_UNAVAILABLE"


def test_numbers_are_added_up_and_the_worst_is_shown() -> None:
    one = {
        "node": "a",
        "total": 1,
        "paused": False,
        "ms": {"p99": 3.0, "count": 1},
        "o": ["b"],
    }
    other = {
        "node": "b",
        "total": 2,
        "paused": True,
        "ms": {"p99": 2.0, "count": 4},
        "o": ["a"],
    }
    assert merging.added({}, [one, other]) == {
        "node": "a",
        "total": 3,
        "paused": True,
        "ms": {"p99": 3.0, "count": 5},
        "o": ["a", "b"],
    }


def test_the_page_is_cut_out_of_the_first_rows_of_all() -> None:
    def told(*depths: int) -> dict[str, Any]:
        rows = [{"depth": depth, "lastActive": "2026"} for depth in depths]
        return {"total": 9, "page": 1, "pageSize": 4, "actors": rows}

    page = merging.actors({"page": "2", "pageSize": "2"}, [told(9, 5, 1), told(8, 7)])
    assert [row["depth"] for row in page["actors"]] == [7, 5]
    assert (page["total"], page["page"], page["totalPages"]) == (18, 2, 9)
