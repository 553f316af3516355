"""Accepted while paused, then kill -9, another node, kill -9 in the replay: applied once, in order.

`INBOX_JOBS=5000 .venv/bin/python -m pytest tests/service/http/test_waiting_work.py` for more.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, TCPConnector

from tests.service.http.conftest import order, order_id
from tests.service.http.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.service.http.conftest import Backend

API = "/api/workorder"
ORDERS = 20
JOBS = int(os.environ.get("INBOX_JOBS", "1000")) // ORDERS * ORDERS


async def _get(http: ClientSession, path: str) -> dict[str, Any]:
    async with http.get(f"{API}/{path}") as reply:
        found: dict[str, Any] = (await reply.json())["data"]
        return found


async def _until(http: ClientSession, path: str, shows: Callable[[dict[str, Any]], bool]) -> None:
    async with asyncio.timeout(240):
        while not shows(await _get(http, path)):  # noqa: ASYNC110 the node tells nobody
            await asyncio.sleep(0.005)


async def _accept(http: ClientSession, number: int) -> list[str]:
    """Send one order's changes, each once the one before it was accepted; give their jobs."""
    jobs = []
    for quantity in range(1, JOBS // ORDERS + 1):
        body = {"workOrderId": order_id(number), "type": "input", "quantity": quantity}
        if quantity % 2:
            body["requestId"] = f"{number}-{quantity}"
        async with http.post(f"{API}/update-quantity", json=body) as reply:
            answer = await reply.json()
        assert (reply.status, answer["code"]) == (200, "QUEUED"), answer
        jobs.append(answer["data"]["jobId"])
    return jobs


async def _applied(http: ClientSession, number: int) -> list[dict[str, Any]]:
    """Return the order's log, oldest first."""
    log = await _get(http, f"quantity-logs/{order_id(number)}?pageSize=1000")
    assert log["total"] == len(log["logs"])
    rows: list[dict[str, Any]] = log["logs"]
    return rows[::-1]


async def _in_a_life(
    backend: Backend, work: Callable[[ClientSession], Awaitable[None]], *, kill: bool
) -> None:
    """Run a node of its own for `work`, then end it by SIGKILL or in good order."""
    async with ServiceProcess(backend.settings) as node:
        await node.start()
        async with ClientSession(node.url, connector=TCPConnector(limit=ORDERS)) as http:
            await work(http)
            if kill:
                node.signal(signal.SIGKILL)
        if not kill:
            node.signal(signal.SIGTERM)
        await node.ended()
    backend.free_lease()


@pytest.mark.timeout(600 + JOBS // 20)
async def test_what_was_accepted_while_paused_survives_two_kills_and_is_applied_once_in_order(
    backend: Backend,
) -> None:
    numbers = range(1, ORDERS + 1)
    await backend.add(*(order(number, planProductionQuantity=10**9) for number in numbers))
    jobs: dict[int, list[str]] = {}

    async def accept(http: ClientSession) -> None:
        async with http.post(f"{API}/queue/pause") as reply:
            assert reply.status == 200
        accepted = await asyncio.gather(*(_accept(http, number) for number in numbers))
        jobs.update(zip(numbers, accepted, strict=True))

    async def begin(http: ClientSession) -> None:
        stats = await _get(http, "queue/stats")
        assert (stats["paused"], stats["waiting"]) == (True, JOBS)
        listed = await _get(http, f"queue/jobs?workOrderId={order_id(1)}&pageSize=1000")
        assert [each["jobId"] for each in listed["jobs"]] == jobs[1]
        async with http.post(f"{API}/queue/resume") as reply:
            assert reply.status == 200
        await _until(http, f"detail/{order_id(1)}", lambda order: order["inputQuantity"] > 0)

    async def finish(http: ClientSession) -> None:
        await _until(http, "queue/stats", lambda stats: stats["total"] == 0)
        for number in numbers:
            log = await _applied(http, number)
            assert [each["_id"] for each in log] == jobs[number]
            assert [each["changeQuantity"] for each in log] == [*range(1, JOBS // ORDERS + 1)]
            detail = await _get(http, f"detail/{order_id(number)}")
            assert detail["inputQuantity"] == sum(range(1, JOBS // ORDERS + 1))
        repeated = {"workOrderId": order_id(1), "type": "input", "requestId": "1-1"}
        async with http.post(f"{API}/update-quantity", json=repeated) as reply:
            answer = (await reply.json())["data"]
            assert (answer["jobId"], answer["replayed"]) == (jobs[1][0], True)

    await _in_a_life(backend, accept, kill=True)
    await _in_a_life(backend, begin, kill=True)
    await _in_a_life(backend, finish, kill=False)


async def test_a_node_that_is_stopped_while_paused_leaves_its_jobs_to_the_next_one(
    backend: Backend,
) -> None:
    await backend.add(order(1), order(2))
    update = {"workOrderId": order_id(1), "type": "input"}
    async with ServiceProcess(backend.settings) as node:
        await node.start()
        async with ClientSession(node.url) as http:
            for path in ("queue/pause", f"{order_id(1)}/pause"):
                async with http.post(f"{API}/{path}") as reply:
                    assert reply.status == 200
            for _ in range(3):
                async with http.post(f"{API}/update-quantity", json=update) as reply:
                    assert (await reply.json())["code"] == "QUEUED"
        node.signal(signal.SIGTERM)
        assert await node.ended() == 0
    async with ServiceProcess(backend.settings) as node:
        await node.start()
        async with ClientSession(node.url) as http:
            async with http.post(f"{API}/queue/resume") as reply:
                assert reply.status == 200
            stats = await _get(http, "queue/stats")
            assert (stats["waiting"], stats["pausedOrders"]) == (3, [order_id(1)])
            assert (await _get(http, f"detail/{order_id(1)}"))["inputQuantity"] == 0
            async with http.post(f"{API}/{order_id(1)}/resume") as reply:
                assert reply.status == 200
            await _until(http, f"detail/{order_id(1)}", lambda order: order["inputQuantity"] == 3)
