"""Two nodes share four shards: both work, and what one leaves the other takes, exactly."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from actors.domain.slots import ShardMap
from tests.contract.backdoor import MongoBackdoor
from tests.contract.cases import order_document
from tests.servers import RedisServer
from tests.service.nodes import ServiceNode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actors.domain.model import WorkOrderId
    from tests.servers import MongoServer

API = "/api/workorder"
SHARDS = ShardMap(4)
WITHIN_S = 200.0
"""Only a hang reaches it."""
PATIENCE = aiohttp.ClientTimeout(total=5)
"""With a node that is frozen, until what it was asked is asked again."""


@dataclass
class Pair:
    """Two nodes that are not started yet, and their database."""

    nodes: tuple[ServiceNode, ServiceNode]
    backdoor: MongoBackdoor
    orders: list[WorkOrderId] = field(default_factory=list)
    applied: Counter[str] = field(default_factory=Counter)
    """By order: what was answered with success."""

    def put_orders(self, each: int) -> None:
        for shard in range(SHARDS.count):
            left = each
            while left:
                document = order_document(planProductionQuantity=1_000_000)
                if SHARDS.of(document["_id"]) == shard:
                    self.backdoor.put_order(document)
                    self.orders.append(document["_id"])
                    left -= 1

    def check_exact(self) -> None:
        """Hold the stored orders and their logs against what was answered with success."""
        for order_id in self.orders:
            assert self.backdoor.order(order_id)["inputQuantity"] == self.applied[order_id]
            entries = sorted(
                (each["planServer"]["seq"], each["afterQuantity"])
                for each in self.backdoor.logs(order_id)
            )
            assert entries == [(seq, seq) for seq in range(1, self.applied[order_id] + 1)]


@pytest.fixture
def pair(mongo_standalone: MongoServer, database_name: str, tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as undo:
        redis = undo.enter_context(RedisServer(tmp_path / "redis"))
        settings = {
            "MONGODB_URI": mongo_standalone.uri,
            "MONGODB_DB": database_name,
            "REDIS_HOST": redis.host,
            "REDIS_PORT": str(redis.port),
            "LEASE_TTL": "1",
            "SHARDS": str(SHARDS.count),
        }
        nodes = []
        for name in ("a", "b"):
            node = ServiceNode({**settings, "NODE_ID": name}, tmp_path / name)
            undo.callback(node.close)
            nodes.append(node)
        client = undo.enter_context(mongo_standalone.client())
        yield Pair((nodes[0], nodes[1]), MongoBackdoor(client, database_name))


class Calls:
    """Calls of both nodes."""

    def __init__(self, pair: Pair, session: aiohttp.ClientSession) -> None:
        self.pair, self.session = pair, session

    async def get(self, node: ServiceNode, path: str) -> dict[str, Any]:
        async with self.session.get(f"{node.uri}{path}") as reply:
            body: dict[str, Any] = await reply.json()
            return body

    async def post(
        self, node: ServiceNode, path: str, body: object = None
    ) -> tuple[int, dict[str, Any]]:
        async with self.session.post(f"{node.uri}{path}", json=body) as reply:
            return reply.status, await reply.json()

    async def shared(self, node: ServiceNode) -> dict[int, str | None]:
        """Return the owner of each shard, as the node says; empty where it does not in time."""
        try:
            health = await self.get(node, "/health")
        except (aiohttp.ClientError, TimeoutError):
            return {}
        return {each["shard"]: each["node"] for each in health["shards"]}

    async def until_shared(self, among: set[str]) -> dict[int, str | None]:
        """Wait until the nodes own the shards evenly, and each that is among them says so."""
        alive = [node for node in self.pair.nodes if node.environment["NODE_ID"] in among]
        async with asyncio.timeout(WITHIN_S):
            while True:
                seen = [await self.shared(node) for node in alive]
                owners = Counter(seen[0].values())
                even = set(owners) == among and max(owners.values()) - min(owners.values()) <= 1
                if even and all(each == seen[0] for each in seen):
                    return seen[0]
                await asyncio.sleep(0.1)

    async def send(self, order_id: str, key: str, first: ServiceNode) -> None:
        """Send an update until it is known that it was applied, by one node or the other."""
        body = {"workOrderId": order_id, "type": "input", "quantity": 1, "requestId": key}
        nodes = [first, *(node for node in self.pair.nodes if node is not first)]
        async with asyncio.timeout(WITHIN_S):
            while True:
                for node in nodes:
                    try:
                        status, reply = await self.post(node, f"{API}/update-quantity", body)
                    except (aiohttp.ClientError, TimeoutError):
                        continue
                    if status == 200:
                        assert reply["code"] == "UPDATED", reply
                        self.pair.applied[order_id] += 1
                        return
                    assert status in (503, 504, 429), reply
                await asyncio.sleep(0.05)


async def test_two_nodes_work_and_one_that_is_frozen_or_killed_loses_nothing(pair: Pair) -> None:
    first, second = pair.nodes
    pair.put_orders(2)
    async with AsyncExitStack() as undo:
        session = await undo.enter_async_context(aiohttp.ClientSession(timeout=PATIENCE))
        calls = Calls(pair, session)
        await first.started()
        assert set((await calls.until_shared({"a"})).values()) == {"a"}
        going, numbers = True, count()

        async def caller(node: ServiceNode) -> None:
            while going:
                for order_id in pair.orders:
                    await calls.send(order_id, f"k{next(numbers)}", node)

        callers = [asyncio.create_task(caller(node)) for node in (first, second, first)]
        await more(pair, 20)
        await second.started()  # it joins under load
        await calls.until_shared({"a", "b"})
        await more(pair, 50)
        second.pause()
        await calls.until_shared({"a"})
        second.resume()  # what it still holds to be its own is refused
        await calls.until_shared({"a", "b"})
        await more(pair, 20)
        await second.killed()
        await calls.until_shared({"a"})
        await more(pair, 50)
        going = False
        await asyncio.gather(*callers)
    await first.stopped()
    pair.check_exact()


async def more(pair: Pair, updates: int) -> None:
    """Wait until as many more were answered."""
    target = pair.applied.total() + updates
    async with asyncio.timeout(WITHIN_S):
        while pair.applied.total() < target:  # noqa: ASYNC110 -- counted by the callers
            await asyncio.sleep(0.02)
