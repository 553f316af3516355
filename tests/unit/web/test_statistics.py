"""Statistics over HTTP, of a real node on a store and a lease in memory, and of a standby of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, web

from actors.messages import Updated
from actors.node import Node, NodeOptions
from actors.status import Role
from actors.supervisor import Limits
from actors.term import TermOptions
from tests.fake_lease import LeaseServer, MemoryLease
from tests.fakes import Fault, MemoryStore
from tests.unit.actors.owner import ORDER, OTHER, order_number, update
from tests.unit.web.conftest import until
from web.app import Options, build_app
from web.server import RUNNER_OPTIONS, bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ENGLISH = {"Accept-Language": "en"}


@dataclass
class Served:
    """A node behind its application."""

    node: Node
    session: ClientSession
    runner: web.AppRunner

    async def get(self, path: str, status: int = 200) -> Any:  # noqa: ANN401
        async with self.session.get(path, headers=ENGLISH) as reply:
            body = await reply.json()
            assert reply.status == status, body
            return body["data"] if status == 200 else body

    async def stop(self) -> None:
        await self.node.drain(5)
        await self.runner.cleanup()
        await self.node.close()


@asynccontextmanager
async def served(store: MemoryStore, server: LeaseServer, name: str) -> AsyncIterator[Served]:
    (sock,) = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    options = NodeOptions(name, url, server.ttl_s, TermOptions(Limits()))
    node = Node(store, MemoryLease(server), options)
    runner = web.AppRunner(build_app(node, Options()), **RUNNER_OPTIONS)
    await runner.setup()
    await node.start()
    await web.SockSite(runner, sock).start()
    async with ClientSession(url) as session:
        here = Served(node, session, runner)
        try:
            yield here
        finally:
            await here.stop()


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    for number in range(1, 6):
        store.put(order_number(number))
    return store


@pytest.fixture
async def owner(store: MemoryStore, lease: LeaseServer) -> AsyncIterator[Served]:
    async with served(store, lease, "a") as here:
        assert here.node.status().role is Role.OWNER
        yield here


@pytest.fixture
def lease() -> LeaseServer:
    return LeaseServer(2.0)


@pytest.fixture
async def standby(store: MemoryStore, lease: LeaseServer, owner: Served) -> AsyncIterator[Served]:
    assert owner.node.status().serving
    async with served(store, lease, "b") as here:
        async with asyncio.timeout(20):
            while True:
                async with here.session.get("/readyz") as reply:
                    if reply.status == 200:
                        break
        yield here


async def touch(owner: Served, *numbers: int) -> None:
    for number in numbers:
        assert isinstance(await owner.node.region.update(update(1, order_number(number))), Updated)


# -- actors ----------------------------------------------------------------------------------


async def test_the_list_is_the_same_from_either_node(owner: Served, standby: Served) -> None:
    await touch(owner, 1, 2, 2, 2, 3, 1)
    path = "/api/actors?sort=rate&pageSize=2"
    here, there = await owner.get(path), await standby.get(path)
    for found in (here, there):  # told from another clock each time
        assert all(each.pop("lastActive") for each in found["actors"])
    assert here == there
    assert (here["total"], here["page"], here["pageSize"], here["totalPages"]) == (3, 1, 2, 2)
    assert [each["workOrderId"] for each in here["actors"]] == [OTHER, ORDER]
    (first, _) = here["actors"]
    assert (first["state"], first["depth"], first["handled"], first["failed"]) == ("idle", 0, 3, 0)
    assert first["ratePerSecond"] == pytest.approx(3 / 60, abs=1e-3)
    assert (await owner.get(f"/api/actors?search={ORDER}"))["total"] == 1
    assert (await owner.get("/api/actors?state=paused"))["total"] == 0


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("sort=size", "INVALID_ACTOR_QUERY", "sort"),
        ("order=up", "INVALID_ACTOR_QUERY", "order"),
        ("state=asleep", "INVALID_ACTOR_QUERY", "state"),
        ("page=0", "INVALID_PAGE", "page"),
        ("pageSize=1001", "INVALID_PAGE", "pageSize"),
    ],
)
async def test_a_wrong_query_names_its_field(
    owner: Served, query: str, code: str, field: str
) -> None:
    body = await owner.get(f"/api/actors?{query}", 400)
    assert (body["code"], body["data"]) == (code, {"field": field})
    assert field in body["message"]


async def test_the_figures_add_up(owner: Served, standby: Served) -> None:
    await touch(owner, 1, 2, 3)
    await owner.node.region.update(update(1, ORDER, key="k"))
    await owner.node.region.update(update(1, ORDER, key="k"))
    await until(lambda: owner.node.region.statistics().active == 0)
    await owner.node.region.pause()
    found = await standby.get("/api/actors/stats")
    assert (found["node"], found["epoch"], found["live"]) == ("a", 1, 3)
    assert found["states"] == {"idle": 3, "waiting": 0, "active": 0, "delayed": 0, "paused": 0}
    assert (found["paused"], found["pausedOrders"]) == (True, 0)
    assert found["mailboxes"] == {
        "waiting": 0,
        "notEmpty": 0,
        "max": 0,
        "p50": 0,
        "p90": 0,
        "p99": 0,
        "oldestWaitMs": 0,
    }
    counts = found["updates"]
    assert (counts["applied"], counts["replayed"], counts["failed"]) == (4, 1, 0)
    assert counts["perSecond"] > 0
    assert found["timesMs"]["total"]["count"] == 5
    assert found["timesMs"]["commit"]["p99"] > 0
    assert (found["commits"]["entries"], found["commits"]["conflicts"]) == (4, 0)
    assert found["actors"]["created"] == 3


async def test_what_stands_out_is_as_much_as_asked(owner: Served) -> None:
    await touch(owner, 1, 2, 2, 3, 3, 3)
    found = await owner.get("/api/actors/hot?n=2")
    assert [each["workOrderId"] for each in found["busiest"]] == [order_number(3), OTHER]
    assert (len(found["slowest"]), found["deepest"]) == (2, [])
    assert (await owner.get("/api/actors/hot?n=0", 400))["code"] == "INVALID_PAGE"


async def test_an_order_at_work_says_what_it_does_and_since_when(
    owner: Served, store: MemoryStore
) -> None:
    await touch(owner, 1)
    async with store.holding("commit") as committing:
        asked = asyncio.create_task(owner.node.region.update(update(5, ORDER)))
        await committing.wait()
        found = await owner.get(f"/api/actors/{ORDER.upper()}")
        assert (found["live"], found["state"], found["doing"]) == (True, "active", "committing")
        assert found["doingForMs"] > 0
        assert found["doingJobId"]
        assert (found["seq"], found["epoch"], found["paused"]) == (0, 1, False)
    await asked
    found = await owner.get(f"/api/actors/{ORDER}")
    assert (found["state"], found["doing"], found["seq"]) == ("idle", None, 2)
    assert [each["quantity"] for each in found["updates"]] == [5, 1]
    assert found["logRead"]


async def test_an_orders_last_updates_are_shown_from_the_log_too_and_none_twice(
    owner: Served, standby: Served
) -> None:
    for _ in range(60):
        await touch(owner, 1)
    found = await standby.get(f"/api/actors/{ORDER}")
    assert [each["seq"] for each in found["updates"]] == list(range(60, 10, -1))
    owner.node.region.figures.journal._kept.clear()  # noqa: SLF001 as after a restart
    found = await standby.get(f"/api/actors/{ORDER}")
    assert [each["seq"] for each in found["updates"]] == list(range(60, 10, -1))


async def test_an_order_that_rests_is_shown_and_one_that_is_not_there_is_404(
    owner: Served,
) -> None:
    found = await owner.get(f"/api/actors/{ORDER}")
    assert (found["live"], found["updates"], found["paused"]) == (False, [], False)
    assert found["workOrderNo"]
    assert (await owner.get(f"/api/actors/{'f' * 24}", 404))["code"] == "WORK_ORDER_NOT_FOUND"
    assert (await owner.get("/api/actors/x", 400))["code"] == "INVALID_WORK_ORDER_ID"


async def test_an_order_is_shown_while_the_store_is_away(owner: Served, store: MemoryStore) -> None:
    await touch(owner, 1)
    store.choose = lambda _method: Fault.REFUSE
    found = await owner.get(f"/api/actors/{ORDER}")
    assert (found["live"], found["logRead"], len(found["updates"])) == (True, False, 1)
    store.choose = lambda _method: None


# -- nodes -----------------------------------------------------------------------------------


async def test_each_node_tells_of_itself(owner: Served, standby: Served) -> None:
    mine, other = await owner.get("/api/node"), await standby.get("/api/node")
    assert (mine["node"], mine["role"], mine["epoch"], mine["takenOver"]) == ("a", "owner", 1, 1)
    assert (other["node"], other["role"], other["epoch"]) == ("b", "standby", 0)
    assert mine["leaseHolder"] == other["leaseHolder"] == "a"
    assert 0 < mine["leaseLeftMs"] <= 2_000
    assert mine["ownerChanges"][0]["node"] == "a"
    assert other["ownerUrl"] == mine["url"]
    assert mine["store"]["ok"]
    assert mine["loopLagMs"] >= 0


async def test_all_nodes_are_told_the_same_from_either(owner: Served, standby: Served) -> None:
    async with asyncio.timeout(20):
        while len((await owner.get("/api/nodes"))["nodes"]) < 2:  # noqa: ASYNC110 another node's
            await asyncio.sleep(0.02)
    for found in (await owner.get("/api/nodes"), await standby.get("/api/nodes")):
        assert (found["toldBy"], found["leaseHolder"]) == ("a", "a")
        assert [(each["node"], each["role"]) for each in found["nodes"]] == [
            ("a", "owner"),
            ("b", "standby"),
        ]
        assert found["nodes"][1]["url"] == standby.node.status().url


async def test_a_standby_without_an_owner_to_ask_tells_what_it_knows(
    owner: Served, standby: Served
) -> None:
    await owner.runner.cleanup()
    async with asyncio.timeout(20):
        found = await _nodes_or_none(standby)
        while found is None or found["toldBy"] != "b":
            await asyncio.sleep(0.02)
            found = await _nodes_or_none(standby)
    assert {each["node"] for each in found["nodes"]} == {"a", "b"}


async def _nodes_or_none(here: Served) -> Any:  # noqa: ANN401
    async with here.session.get("/api/nodes") as reply:
        return (await reply.json())["data"] if reply.status == 200 else None


# -- events ----------------------------------------------------------------------------------


class Events:
    """Reads server-sent events."""

    def __init__(self, lines: Any) -> None:  # noqa: ANN401 aiohttp's reader
        self._lines = lines
        self.last_id = ""

    async def next(self) -> tuple[str, Any]:
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            while True:
                line = (await self._lines.readline()).decode()
                assert line, "the stream ended"
                if line == "\n" and "data" in fields:
                    self.last_id = fields.get("id", self.last_id)
                    return fields["event"], json.loads(fields["data"])
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value


@asynccontextmanager
async def listening(here: Served, last_id: str = "") -> AsyncIterator[Events]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with here.session.get("/api/events", headers=headers) as reply:
        assert reply.status == 200
        assert reply.content_type == "text/event-stream"
        yield Events(reply.content)


@pytest.mark.parametrize("where", ["owner", "standby"])
async def test_events_come_as_they_happen(owner: Served, standby: Served, where: str) -> None:
    async with listening(owner if where == "owner" else standby) as events:
        assert (await events.next())[0] == "state"
        await touch(owner, 1)
        name, data = await events.next()
        assert (name, data["workOrderId"], data["afterQuantity"]) == ("applied", ORDER, 1)
        await owner.node.region.pause_order(ORDER)
        assert (await events.next())[0] == "paused"


async def test_a_reader_that_comes_back_gets_what_it_missed(owner: Served) -> None:
    async with listening(owner) as events:
        await events.next()
        await touch(owner, 1)
        await events.next()
        last_id = events.last_id
    await touch(owner, 2, 3)
    async with listening(owner, last_id) as events:
        assert (await events.next())[0] == "state"
        seen = [(await events.next())[1]["workOrderId"] for _ in range(2)]
        assert seen == [OTHER, order_number(3)]
    async with listening(owner, "00000000-1") as events:
        await events.next()
        await touch(owner, 4)
        assert (await events.next())[1]["workOrderId"] == order_number(4)


async def test_too_many_events_at_once_are_counted_in_place_of_sent(owner: Served) -> None:
    async with listening(owner) as events:
        await events.next()
        for number in range(700):
            owner.node.region.figures.happened("paused", detail=str(number))
        name, data = await events.next()
        assert (name, data) == ("missed", {"count": 200})
        assert (await events.next())[1]["detail"] == "200"


async def test_a_reader_that_stays_does_not_keep_the_node_from_stopping(owner: Served) -> None:
    async with listening(owner) as events:
        await events.next()
        async with asyncio.timeout(10):
            await owner.runner.cleanup()


async def test_there_is_an_end_to_the_number_of_readers(
    owner: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.streams._AT_ONCE", 1)
    async with listening(owner) as events:
        await events.next()
        assert (await owner.get("/api/events", 503))["code"] == "SERVICE_UNAVAILABLE"
    async with asyncio.timeout(20):
        while True:
            async with owner.session.get("/api/events") as reply:
                if reply.status == 200:
                    break
            await asyncio.sleep(0.02)
