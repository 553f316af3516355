"""The number of shards goes from 1 to 2, 4 and back under load, and all stays exact."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack
from itertools import count
from typing import TYPE_CHECKING

import aiohttp
import pytest

from actors.domain.model import WorkOrderId
from tests.service.test_shards import API, WITHIN_S, Calls, Pair, more, pair

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from tests.service.nodes import ServiceNode

__all__ = ["pair"]


@pytest.fixture
def following(pair: Pair) -> Pair:
    for node in pair.nodes:
        node.environment["SHARDS"] = "stored"
    return pair


async def _until_served(calls: Calls, shards: int, *nodes: ServiceNode) -> None:
    """Wait until each node says that all of so many shards are served, by all of the nodes."""
    names = {node.environment["NODE_ID"] for node in nodes}
    async with asyncio.timeout(WITHIN_S):
        while True:
            seen = [await calls.shared(node) for node in nodes]
            owners = set(seen[0].values())
            alike = all(each == seen[0] for each in seen) and len(seen[0]) == shards
            if alike and (owners == names or (shards < len(nodes) and owners < names)):
                return
            await asyncio.sleep(0.1)


async def _reshard(calls: Calls, node: ServiceNode, shards: int) -> None:
    status, reply = await calls.post(node, "/api/shards", {"shards": shards})
    assert status == 200, reply
    assert reply["data"]["planned"] == shards


async def _until_kept(calls: Calls, node: ServiceNode, body: object) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            status, reply = await calls.post(node, f"{API}/update-quantity", body)
            if status == 200:
                assert reply["code"] == "QUEUED", reply
                return
            assert status in (503, 504), reply
            await asyncio.sleep(0.05)


async def _until_applied(pair: Pair, order_id: WorkOrderId, quantity: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while pair.backdoor.order(order_id)["inputQuantity"] != quantity:  # noqa: ASYNC110 -- read
            await asyncio.sleep(0.1)


async def test_shards_are_split_and_joined_under_load_and_nothing_is_lost(following: Pair) -> None:
    first, second = following.nodes
    following.put_orders(2)
    sent: dict[tuple[int, WorkOrderId], list[str]] = defaultdict(list)
    async with AsyncExitStack() as undo:
        session = await undo.enter_async_context(aiohttp.ClientSession())
        calls = Calls(following, session)
        await first.started()
        await second.started()
        await _until_served(calls, 1, first, second)
        paused, *orders = following.orders
        status, _ = await calls.post(first, f"{API}/{paused}/pause")
        assert status == 200
        going, numbers = True, count()

        async def caller(mine: int, node: ServiceNode) -> None:
            while going:
                for order_id in orders:
                    key = f"k{next(numbers)}"
                    await calls.send(order_id, key, node)
                    sent[mine, order_id].append(key)

        async def keep(number: int) -> None:
            body = {
                "workOrderId": paused,
                "type": "input",
                "quantity": 1,
                "requestId": f"w{number}",
            }
            await _until_kept(calls, first, body)

        callers = [asyncio.create_task(caller(*each)) for each in enumerate((first, second, first))]
        await more(following, 20)
        for number, shards in enumerate((2, 4, 2)):
            await keep(number)
            await _reshard(calls, (first, second)[number % 2], shards)
            await more(following, 5)
            await _until_served(calls, shards, first, second)
            await more(following, 20)
        await _reshard(calls, second, 4)  # and who was asked for it is killed in the middle
        await second.killed()
        await _until_served(calls, 4, first)
        await more(following, 20)
        status, reply = await calls.post(first, f"{API}/{paused}/resume")
        assert status == 200, reply
        await _until_applied(following, paused, 3)
        going = False
        await asyncio.gather(*callers)
    await first.stopped()
    following.applied[paused] = 3
    _check(following, sent | {(9, paused): ["w0", "w1", "w2"]})


def _check(pair: Pair, sent: dict[tuple[int, WorkOrderId], list[str]]) -> None:
    pair.check_exact()
    for (_, order_id), keys in sent.items():
        seqs = {
            each["planServer"]["requestId"]: each["planServer"]["seq"]
            for each in pair.backdoor.logs(order_id)
        }
        assert [seqs[key] for key in keys] == sorted(seqs[key] for key in keys), "as it was sent"
