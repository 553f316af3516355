"""Two nodes, one of them owner: callers and operators may come to either, whatever happens."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.store.sqlite.store import FILE_NAME
from tests.contract.backdoor import MongoBackdoor, SqliteBackdoor
from tests.service.books import shown_books, stored_books
from tests.service.checker import mistakes_in
from tests.service.http.conftest import order, order_id
from tests.service.http.service_process import ServiceProcess
from tests.service.load import Load
from tests.trace import morning, session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiohttp import ClientSession

    from tests.contract.backdoor import Backdoor
    from tests.servers import MongoServer
    from tests.service.http.conftest import Backend

API = "/api/workorder"
UPDATE = f"{API}/update-quantity"
TTL_S = 5.0
"""So long that a busy machine still renews in time, where a lease has to run out."""
HANDOVER_TTL_S = 600.0
"""So long that only who is given the lease can have it before a test ends."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """The owner and the standby, as they were at the start, and a client of each."""

    first: ServiceProcess
    second: ServiceProcess
    at_first: ClientSession
    at_second: ClientSession


@asynccontextmanager
async def two_nodes(backend: Backend, ttl_s: float = HANDOVER_TTL_S) -> AsyncIterator[Nodes]:
    """Start an owner, and a standby that can reach it."""
    settings = {**backend.settings, "LEASE_TTL": f"{ttl_s:g}", "REQUEST_TIMEOUT_S": "20"}
    async with (
        ServiceProcess({**settings, "NODE_ID": "first"}) as first,
        ServiceProcess({**settings, "NODE_ID": "second"}) as second,
    ):
        await first.start()
        await second.launch()
        await second.event("service_started")
        async with session(first.url) as at_first, session(second.url) as at_second:
            await _ready(at_second, "standby")
            yield Nodes(first, second, at_first, at_second)


async def _ready(client: ClientSession, role: str) -> None:
    async with asyncio.timeout(100):
        while True:
            async with client.get("/readyz") as reply:
                body = await reply.json()
            if reply.status == 200 and body["role"] == role:
                return
            await asyncio.sleep(0.02)


async def _post(client: ClientSession, path: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401
    async with client.post(f"{API}/{path}", json=body) as reply:
        assert reply.status == 200, await reply.text()
        found: dict[str, Any] = (await reply.json())["data"]
        return found


async def _data(client: ClientSession, path: str) -> dict[str, Any]:
    async with client.get(f"{API}/{path}") as reply:
        assert reply.status == 200, await reply.text()
        found: dict[str, Any] = (await reply.json())["data"]
        return found


# -- either node will do -------------------------------------------------------------------


async def test_updates_through_both_nodes_are_all_applied(backend: Backend) -> None:
    await backend.add(*(order(number) for number in range(1, 6)))
    served: Counter[tuple[str, str | None]] = Counter()

    async def call(client: ClientSession, count: int) -> None:
        for number in range(count):
            body = {"workOrderId": order_id(number % 5 + 1), "type": "input"}
            async with client.post(UPDATE, json=body) as reply:
                assert reply.status == 200, await reply.text()
                hop = reply.headers.get("X-Forwarded-By-Node")
                served[reply.headers["X-Served-By"], hop] += 1

    async with two_nodes(backend) as nodes:
        clients = [nodes.at_first, nodes.at_second] * 8
        await asyncio.gather(*(call(client, 25) for client in clients))
        assert served == {("first", None): 200, ("first", "second"): 200}
        for client in (nodes.at_first, nodes.at_second):
            details = [await _data(client, f"detail/{order_id(each)}") for each in range(1, 6)]
            assert [each["inputQuantity"] for each in details] == [80] * 5
            log = await _data(client, f"quantity-logs/{order_id(1)}?pageSize=100")
            assert sorted(each["afterQuantity"] for each in log["logs"]) == [*range(1, 81)]


async def test_a_batch_and_its_replay_may_come_to_different_nodes(backend: Backend) -> None:
    await backend.add(order(1))
    items = [
        {"workOrderId": order_id(1), "type": "input", "quantity": 2, "requestId": f"k{number}"}
        for number in range(3)
    ]
    async with two_nodes(backend) as nodes:
        first = await _post(nodes.at_second, "batch-update-quantity", updates=items)
        again = await _post(nodes.at_first, "batch-update-quantity", updates=items)
    assert (first["succeeded"], again["succeeded"]) == (3, 3)
    jobs = [[each["jobId"] for each in found["results"]] for found in (first, again)]
    assert jobs[0] == jobs[1]
    assert [each["replayed"] for each in again["results"]] == [True] * 3


async def test_operators_see_and_do_the_same_on_both_nodes(backend: Backend) -> None:
    await backend.add(order(1))
    update = {"workOrderId": order_id(1), "type": "input"}
    async with two_nodes(backend) as nodes:
        both = (nodes.at_first, nodes.at_second)
        assert await _post(nodes.at_second, "queue/pause") == {"paused": True}
        kept = [await _post(client, "update-quantity", **update) for client in both]
        async with asyncio.timeout(100):
            await _shows_waiting(nodes.at_second, 2)
            await _shows_pause(nodes.at_second)
        for path in ("queue/stats", "queue/locks"):
            seen = [_without_ages(await _data(client, path)) for client in both]
            assert seen[0] == seen[1], path
        for client in both:
            listed = await _data(client, "queue/jobs?state=waiting")
            assert [each["jobId"] for each in listed["jobs"]] == [each["jobId"] for each in kept]
        assert await _post(nodes.at_second, f"{order_id(1)}/pause") == {
            "workOrderId": order_id(1),
            "paused": True,
        }
        await _post(nodes.at_second, f"{order_id(1)}/resume")
        async with nodes.at_second.delete(f"{API}/queue/jobs/{kept[1]['jobId']}") as reply:
            assert reply.status == 200
        assert await _post(nodes.at_second, "queue/resume") == {"paused": False}
        async with asyncio.timeout(100):
            await _shows_waiting(nodes.at_second, 0)
            await _shows_finished(nodes.at_first, kept[0]["jobId"])
        assert (await _data(nodes.at_first, f"detail/{order_id(1)}"))["inputQuantity"] == 1
        assert (await _data(nodes.at_second, "queue/locks"))["total"] == 1
        await _post(nodes.at_second, "queue/clean", grace=0)
        assert (await _data(nodes.at_first, "queue/stats"))["completed"] == 0
        assert await _post(nodes.at_second, "queue/clean-locks") == {"cleaned": 0}


async def _shows_waiting(client: ClientSession, count: int) -> None:
    while True:
        if (await _data(client, "queue/stats"))["waiting"] == count:
            return
        await asyncio.sleep(0.02)


async def _shows_finished(client: ClientSession, job_id: str) -> None:
    while True:
        if (await _data(client, f"queue/jobs/{job_id}"))["state"] == "completed":
            return
        await asyncio.sleep(0.02)


async def _shows_pause(client: ClientSession) -> None:
    while True:
        async with client.get("/health") as reply:
            health = await reply.json()
        if health["paused"]:
            assert (reply.status, health["role"], health["serving"]) == (200, "standby", True)
            assert health["owner"]["node"] == "first"
            return
        await asyncio.sleep(0.02)


def _without_ages(data: dict[str, Any]) -> dict[str, Any]:
    for lock in data.get("locks", ()):
        del lock["age"], lock["ttl"]
    return data


async def test_a_standby_does_not_forward_where_it_must_not(embedded: Backend) -> None:
    settings = {**embedded.settings, "NODE_URL_ALLOW": "http://10.0.0.*:3001"}
    async with ServiceProcess(settings) as first, ServiceProcess(settings) as second:
        await first.start()
        await second.launch()
        await second.event("service_started")
        async with session(second.url) as client, client.post(UPDATE, json={}) as reply:
            assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
        assert (await second.event("forward_refused"))["url"] == first.url


# -- the owner goes, under load that comes to the standby ----------------------------------


@contextmanager
def _backdoor(backend: Backend, request: pytest.FixtureRequest) -> Iterator[Backdoor]:
    if backend.store_name == "sqlite":
        yield SqliteBackdoor(Path(backend.settings["DATA_DIR"]) / FILE_NAME)
        return
    server: MongoServer = request.getfixturevalue("mongo_standalone")
    with server.client() as client:
        yield MongoBackdoor(client, backend.settings["MONGODB_DB"])


@pytest.fixture
def backdoor(backend: Backend, request: pytest.FixtureRequest) -> Iterator[Backdoor]:
    """Read and write the store past the service."""
    with _backdoor(backend, request) as found:
        yield found


def _put(backdoor: Backdoor) -> None:
    start = morning()
    for material in start.materials:
        backdoor.put_material(material)
    for each in start.orders:
        backdoor.put_order(each)
    for entry in start.old_logs:
        backdoor.put_log(entry)


async def _finish(load: Load, nodes: Nodes, backdoor: Backdoor) -> None:
    """Let the callers settle, end the node that is left, and check every book."""
    outcomes = await load.finish()
    shown = await shown_books(nodes.at_second, morning())
    nodes.second.signal(signal.SIGTERM)
    assert await nodes.second.ended() == 0
    stored = await asyncio.to_thread(stored_books, backdoor, morning())
    assert load.mistakes == []
    assert mistakes_in(shown, outcomes, replies_lost=True, unknown=load.unknown) == []
    assert mistakes_in(stored, outcomes, replies_lost=True, unknown=load.unknown) == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
async def test_when_the_owner_ends_the_standby_takes_over_and_all_is_exact(
    backend: Backend, backdoor: Backdoor, signum: signal.Signals
) -> None:
    ttl_s = HANDOVER_TTL_S if signum is signal.SIGTERM else TTL_S
    async with two_nodes(backend, ttl_s) as nodes:
        await asyncio.to_thread(_put, backdoor)
        load = Load(nodes.at_second, seed=3)
        load.start()
        await load.settled(200)
        await load.until(lambda: load.in_flight > 0, "calls in flight")
        nodes.first.signal(signum)
        epoch = (await nodes.second.event("owner"))["epoch"]
        assert epoch == nodes.first.named("owner")[0]["epoch"] + 1
        await load.settled(len(load.answers) + 200)
        if signum is signal.SIGTERM:
            assert await nodes.first.ended() == 0
            assert nodes.first.named("drained")[0]["finished"] is True
        await _finish(load, nodes, backdoor)


async def test_calls_to_an_owner_that_sleeps_through_its_lease_do_not_hang_with_it(
    networked: Backend, mongo_standalone: MongoServer
) -> None:
    with mongo_standalone.client() as client:
        backdoor = MongoBackdoor(client, networked.settings["MONGODB_DB"])
        async with two_nodes(networked, TTL_S) as nodes:
            await asyncio.to_thread(_put, backdoor)
            load = Load(nodes.at_second, seed=4)
            load.start()
            await load.settled(100)
            await load.until(lambda: load.in_flight > 0, "calls in flight")
            nodes.first.signal(signal.SIGSTOP)
            await nodes.second.event("owner")
            await load.settled(len(load.answers) + 100)
            nodes.first.signal(signal.SIGCONT)
            await _ready(nodes.at_first, "standby")
            await load.settled(len(load.answers) + 100)
            nodes.first.signal(signal.SIGTERM)
            assert await nodes.first.ended() == 0
            await _finish(load, nodes, backdoor)
