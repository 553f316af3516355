"""Statistics over HTTP, of a real node on a store and a lease in memory, and of a standby of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import Fault
from tests.unit.actors.owner import ORDER, OTHER, order_number, update
from tests.unit.web.conftest import until
from tests.unit.web.served import touch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fakes import MemoryStore
    from tests.unit.web.served import Served

# -- actors ----------------------------------------------------------------------------------


async def test_the_list_is_the_same_from_either_node(first: Served, second: Served) -> None:
    await touch(first, 1, 2, 2, 2, 3, 1)
    path = "/api/actors?sort=rate&pageSize=2"
    here, there = await first.get(path), await second.get(path)
    for found in (here, there):  # told from another clock each time
        assert all(each.pop("lastActive") for each in found["actors"])
    assert here == there
    assert (here["total"], here["page"], here["pageSize"], here["totalPages"]) == (3, 1, 2, 2)
    assert [each["workOrderId"] for each in here["actors"]] == [OTHER, ORDER]
    (row, _) = here["actors"]
    assert (row["state"], row["depth"], row["handled"], row["failed"]) == ("idle", 0, 3, 0)
    assert row["ratePerSecond"] == pytest.approx(3 / 60, abs=1e-3)
    assert (await first.get(f"/api/actors?search={ORDER}"))["total"] == 1
    assert (await first.get("/api/actors?state=paused"))["total"] == 0


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("sort=size", "INVALID_ACTOR_QUERY", "sort"),
        ("order=up", "INVALID_ACTOR_QUERY", "order"),
        ("state=asleep", "INVALID_ACTOR_QUERY", "state"),
    ],
)
async def test_a_wrong_query_names_its_field(
    first: Served, query: str, code: str, field: str
) -> None:
    body = await first.get(f"/api/actors?{query}", 400)
    assert (body["code"], body["data"]) == (code, {"field": field})
    assert field in body["message"]


async def test_the_figures_add_up(first: Served, second: Served) -> None:
    await touch(first, 1, 2, 3)
    await first.node.region.update(update(1, ORDER, key="k"))
    await first.node.region.update(update(1, ORDER, key="k"))
    await until(lambda: first.node.region.statistics().active == 0)
    await first.node.region.pause()
    found = await second.get("/api/actors/stats")
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


async def test_the_last_hour_is_recorded_at_the_owner_and_read_from_either_node(
    monkeypatch: pytest.MonkeyPatch, first: Served, second: Served
) -> None:
    monkeypatch.setattr("actors.node.node.SAMPLED_EVERY_S", 0.05)
    await touch(first, 1, 2, 3)
    async with asyncio.timeout(100):
        while True:
            found = await second.get("/api/history?minutes=1")
            if any(found["applied"]):
                break
            await asyncio.sleep(0.02)
    assert (found["node"], found["everyS"]) == ("a", 5)
    columns = {
        name: column for name, column in found.items() if name not in ("node", "everyS", "marks")
    }
    assert set(columns) == {
        *("at", "applied", "refused", "failed", "p50Ms", "p99Ms"),
        *("waiting", "active", "live", "paused"),
    }
    assert len({len(column) for column in columns.values()}) == 1
    busiest = found["applied"].index(max(found["applied"]))
    assert found["p99Ms"][busiest] >= found["p50Ms"][busiest] > 0
    assert found["live"][-1] == 3
    assert found["at"] == sorted(found["at"])
    here = await first.get("/api/history")
    assert here["at"][: len(found["at"])] == found["at"]
    bounded = await first.get("/api/history?minutes=61")
    assert bounded["at"][: len(here["at"])] == here["at"]


async def test_orders_are_found_in_the_store_and_said_to_be_live_or_not(
    first: Served, second: Served
) -> None:
    await touch(first, 2)
    await first.node.region.pause_order(ORDER)
    for node in (first, second):
        found = await node.get("/api/workorder/search?q=WO-&limit=2")
        by_id = {each["id"]: (each["live"], each["paused"]) for each in found["orders"]}
        assert by_id == {ORDER: (False, True), OTHER: (True, False)}
        assert found["more"] is True
    newest = (await first.get("/api/workorder/search?q=%20"))["orders"]
    assert [each["id"] for each in newest] == sorted((each["id"] for each in newest), reverse=True)
    assert {ORDER, OTHER} <= {each["id"] for each in newest}
    assert len((await first.get("/api/workorder/search?q=WO&limit=101"))["orders"]) > 1


async def test_an_order_is_named_by_its_number_wherever_it_is_named_by_its_id(
    first: Served, second: Served
) -> None:
    await touch(first, 2)
    (order,) = (await first.get(f"/api/workorder/search?q={OTHER}"))["orders"]
    number = order["workOrderNo"]
    for node in (first, second):
        assert (await node.get(f"/api/workorder/detail/{number}"))["id"] == OTHER
        assert (await node.get(f"/api/actors/{number}"))["workOrderId"] == OTHER
        logged = (await node.get(f"/api/workorder/quantity-logs/{number}"))["logs"]
        assert {each["workOrderId"] for each in logged} == {OTHER}
        assert (await node.get(f"/api/workorder/queue/jobs?workOrderId={number}"))["total"] == 0
        unknown = await node.get("/api/workorder/detail/no-such", 400)
        assert unknown["code"] == "INVALID_WORK_ORDER_ID"
        middle = number[1:]
        assert middle not in ("", number)
        found = (await node.get(f"/api/workorder/search?q={middle}"))["orders"]
        assert OTHER in [each["id"] for each in found]
    assert (await first.get(f"/api/actors/{OTHER}"))["updates"][0]["workOrderNo"] == number
    assert (await first.get("/api/workorder/search?q=x&by=operator"))["allSearched"] is False
    assert (await first.get("/api/workorder/search?by=age", 400))["code"] == "INVALID_SEARCH"


async def test_what_stands_out_is_as_much_as_asked(first: Served) -> None:
    await touch(first, 1, 2, 2, 3, 3, 3)
    found = await first.get("/api/actors/hot?n=2")
    assert [each["workOrderId"] for each in found["busiest"]] == [order_number(3), OTHER]
    assert (len(found["slowest"]), found["deepest"]) == (2, [])
    assert len((await first.get("/api/actors/hot?n=0"))["slowest"]) == 3


async def test_an_order_at_work_says_what_it_does_and_since_when(
    first: Served, store: MemoryStore
) -> None:
    await touch(first, 1)
    async with store.holding("commit") as committing:
        asked = asyncio.create_task(first.node.region.update(update(5, ORDER)))
        await committing.wait()
        found = await first.get(f"/api/actors/{ORDER.upper()}")
        assert (found["live"], found["state"], found["doing"]) == (True, "active", "committing")
        assert found["doingForMs"] > 0
        assert found["doingJobId"]
        assert (found["seq"], found["epoch"], found["paused"]) == (0, 1, False)
    await asked
    found = await first.get(f"/api/actors/{ORDER}")
    assert (found["state"], found["doing"], found["seq"]) == ("idle", None, 2)
    assert [each["quantity"] for each in found["updates"]] == [5, 1]
    assert found["logRead"]


async def test_an_orders_last_updates_are_shown_from_the_log_too_and_none_twice(
    first: Served, second: Served
) -> None:
    for _ in range(60):
        await touch(first, 1)
    found = await second.get(f"/api/actors/{ORDER}")
    assert [each["seq"] for each in found["updates"]] == list(range(60, 10, -1))
    first.node.telemetry.journal._kept.clear()  # noqa: SLF001 as after a restart
    found = await second.get(f"/api/actors/{ORDER}")
    assert [each["seq"] for each in found["updates"]] == list(range(60, 10, -1))


async def test_an_order_that_rests_is_shown_and_one_that_is_not_there_is_404(
    first: Served,
) -> None:
    found = await first.get(f"/api/actors/{ORDER}")
    assert (found["live"], found["updates"], found["paused"]) == (False, [], False)
    assert found["workOrderNo"]
    assert (await first.get(f"/api/actors/{'f' * 24}", 404))["code"] == "WORK_ORDER_NOT_FOUND"
    assert (await first.get("/api/actors/x", 400))["code"] == "INVALID_WORK_ORDER_ID"


async def test_an_order_is_shown_while_the_store_is_away(first: Served, store: MemoryStore) -> None:
    await touch(first, 1)
    store.choose = lambda _method: Fault.REFUSE
    found = await first.get(f"/api/actors/{ORDER}")
    assert (found["live"], found["logRead"], len(found["updates"])) == (True, False, 1)
    store.choose = lambda _method: None


# -- nodes -----------------------------------------------------------------------------------


async def test_each_node_tells_of_itself(first: Served, second: Served) -> None:
    mine, other = await first.get("/api/node"), await second.get("/api/node")
    assert (mine["node"], mine["role"], mine["epoch"], mine["takenOver"]) == ("a", "owner", 1, 1)
    assert (other["node"], other["role"], other["epoch"]) == ("b", "standby", 0)
    assert mine["leaseHolder"] == other["leaseHolder"] == "a"
    assert 0 < mine["leaseLeftMs"] <= 60_000
    assert mine["ownerChanges"][0]["node"] == "a"
    assert other["ownerUrl"] == mine["url"]
    assert mine["store"]["ok"]
    assert mine["loopLagMs"] >= 0


async def test_all_nodes_are_told_the_same_from_either(first: Served, second: Served) -> None:
    async with asyncio.timeout(100):
        while len((await first.get("/api/nodes"))["nodes"]) < 2:  # noqa: ASYNC110 another node's
            await asyncio.sleep(0.02)
    for found in (await first.get("/api/nodes"), await second.get("/api/nodes")):
        assert (found["toldBy"], found["leaseHolder"]) == ("a", "a")
        assert [(each["node"], each["role"]) for each in found["nodes"]] == [
            ("a", "owner"),
            ("b", "standby"),
        ]
        assert found["nodes"][1]["url"] == second.node.status().url


async def test_a_standby_without_an_owner_to_ask_tells_what_it_knows(
    first: Served, second: Served
) -> None:
    await first.runner.cleanup()
    async with asyncio.timeout(100):
        found = await _nodes_or_none(second)
        while found is None or found["toldBy"] != "b":
            await asyncio.sleep(0.02)
            found = await _nodes_or_none(second)
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

    async def end(self) -> None:
        """Read up to the end, which must be one: a reply cut off raises."""
        while await self._lines.readline():
            pass

    async def next(self) -> tuple[str, Any]:
        fields: dict[str, str] = {}
        async with asyncio.timeout(100):
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
async def test_events_come_as_they_happen(first: Served, second: Served, where: str) -> None:
    async with listening(first if where == "owner" else second) as events:
        assert (await events.next())[0] == "state"
        await touch(first, 1)
        name, data = await events.next()
        assert (name, data["workOrderId"], data["afterQuantity"]) == ("applied", ORDER, 1)
        await first.node.region.pause_order(ORDER)
        assert (await events.next())[0] == "paused"


async def test_a_reader_that_comes_back_gets_what_it_missed(first: Served) -> None:
    async with listening(first) as events:
        await events.next()
        await touch(first, 1)
        await events.next()
        last_id = events.last_id
    await touch(first, 2, 3)
    async with listening(first, last_id) as events:
        assert (await events.next())[0] == "state"
        seen = [(await events.next())[1]["workOrderId"] for _ in range(2)]
        assert seen == [OTHER, order_number(3)]
    async with listening(first, "00000000-1") as events:
        await events.next()
        await touch(first, 4)
        assert (await events.next())[1]["workOrderId"] == order_number(4)


async def test_too_many_events_at_once_are_counted_in_place_of_sent(first: Served) -> None:
    async with listening(first) as events:
        await events.next()
        for number in range(700):
            first.node.telemetry.happened("paused", detail=str(number))
        name, data = await events.next()
        assert (name, data) == ("missed", {"count": 200})
        assert (await events.next())[1]["detail"] == "200"


async def test_a_reader_that_stays_does_not_keep_the_node_from_stopping(first: Served) -> None:
    async with listening(first) as events:
        await events.next()
        async with asyncio.timeout(100):
            await first.runner.cleanup()
            await events.end()


async def test_a_stream_through_a_standby_ends_with_the_owner(
    first: Served, second: Served
) -> None:
    async with listening(second) as events:
        await events.next()
        await first.node.drain(5)
        async with asyncio.timeout(100):
            await events.end()
    async with listening(second) as events:
        assert (await events.next())[1]["node"] == "b"


@pytest.mark.parametrize("where", ["first", "second"])
async def test_who_asks_for_the_head_alone_is_not_kept(
    first: Served, second: Served, where: str
) -> None:
    async with asyncio.timeout(100):
        asked = (first if where == "first" else second).session.head("/api/events")
        async with asked as reply:
            assert (reply.status, await reply.read()) == (200, b"")


async def test_there_is_an_end_to_the_number_of_readers(
    first: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.wire.streams._AT_ONCE", 1)
    async with listening(first) as events:
        await events.next()
        assert (await first.get("/api/events", 503))["code"] == "SERVICE_UNAVAILABLE"
    async with asyncio.timeout(100):
        while True:
            async with first.session.get("/api/events") as reply:
                if reply.status == 200:
                    break
            await asyncio.sleep(0.02)
