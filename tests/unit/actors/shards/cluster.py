"""Nodes that share four shards, on stores and leases in memory."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from actors.domain.slots import Shard, ShardMap
from actors.errors import StoreUnavailable
from actors.node.options import NodeOptions
from actors.node.status import Role
from actors.node.term import TermOptions
from actors.orders.supervisor import Limits
from actors.shards.node import ShardedNode
from actors.store.jobs import StoredJobs
from tests.fake_lease import LeaseServer, MemoryLease
from tests.fake_records import MemoryRecords
from tests.fakes import MemoryStore
from tests.unit.actors.owner import order_number

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from actors.domain.job import Job
    from actors.domain.model import JobId, WorkOrderId
    from actors.store.jobs import JobPage, JobQuery
    from actors.store.shards import Member

TTL_S = 6.0
SHARDS = ShardMap(4, 1)
ORDERS = [order_number(number) for number in range(1, 41)]


def order_in(shard: int) -> WorkOrderId:
    return next(each for each in ORDERS if SHARDS.of(each) == shard)


@dataclass
class MemoryMembers:
    """Implements `actors.store.shards.Members`; `reachable` is the network's."""

    map: ShardMap = SHARDS
    seen: dict[str, tuple[Member, float]] = field(default_factory=dict)
    reachable: bool = True

    async def read(self) -> ShardMap:
        self._ask()
        return self.map

    async def move(self, was: ShardMap, count: int) -> bool:
        if not self._is_as(was):
            return False
        self.map = ShardMap(count, was.version + 1)
        return True

    async def plan(self, was: ShardMap, count: int) -> bool:
        if not self._is_as(was):
            return False
        self.map = replace(self.map, planned=count)
        return True

    async def beat(self, me: Member, within_s: float) -> Sequence[Member]:
        self._ask()
        self.seen[me.node] = (me, time.monotonic())
        since = time.monotonic() - within_s
        return [member for _, (member, at) in sorted(self.seen.items()) if at >= since]

    async def leave(self, me: Member) -> None:
        self._ask()
        self.seen.pop(me.node, None)

    def _is_as(self, was: ShardMap) -> bool:
        self._ask()
        return self.map.version == was.version and was.planned in (None, self.map.planned)

    def _ask(self) -> None:
        if not self.reachable:
            raise StoreUnavailable("no answer")


@dataclass
class Inboxes:
    """What is read of the jobs of all shards."""

    stores: Sequence[MemoryStore]

    async def find(self, job_id: JobId) -> Job | None:
        found = [await store.inbox.find(job_id) for store in self.stores]
        return next((job for job in found if job is not None), None)

    async def outcome(self, job_id: JobId) -> object:
        found = [await store.inbox.outcome(job_id) for store in self.stores]
        return next((each for each in found if each is not None), None)

    async def page(self, query: JobQuery) -> JobPage:
        return await self.stores[0].inbox.page(query)

    async def counts(
        self, work_order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> StoredJobs:
        every = [await each.inbox.counts(work_order_id, error_code) for each in self.stores]
        return StoredJobs(*(sum(each) for each in zip(*map(astuple, every), strict=True)))


class ShardedMemory:
    """A store in memory for each shard, which all nodes share."""

    def __init__(self) -> None:
        self.shard_map = MemoryMembers()
        self.stores = [MemoryStore() for _ in SHARDS.all()]
        self.others: dict[tuple[int, int], MemoryStore] = {}
        self.inbox = Inboxes(self.stores)
        self.records = MemoryRecords()
        for order_id in ORDERS:
            self.stores[SHARDS.of(order_id)].put(order_id)

    def part(self, shard: Shard) -> MemoryStore:
        """Return the shard's store: for another number of shards than `SHARDS`, one of its own."""
        if shard.count == SHARDS.count:
            return self.stores[shard.index]
        key = shard.index, shard.count
        if key not in self.others:
            self.others[key] = MemoryStore()
            for order_id in filter(shard.has, ORDERS):
                self.others[key].put(order_id)
        return self.others[key]

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def paused(self) -> bool:
        return any([await store.paused() for store in self.stores])


@dataclass
class Cluster:
    """The stores, a lease's server for each shard, and the nodes that were started on them."""

    store: ShardedMemory = field(default_factory=ShardedMemory)
    leases: list[LeaseServer] = field(
        default_factory=lambda: [LeaseServer(TTL_S) for _ in SHARDS.all()]
    )
    nodes: list[ShardedNode] = field(default_factory=list)

    def new_lease(self, shard: Shard) -> MemoryLease:
        return MemoryLease(self.leases[shard.index % len(self.leases)])

    def new_node(self, name: str, count: int | None = SHARDS.count) -> ShardedNode:
        options = NodeOptions(name, f"http://{name}", TTL_S, TermOptions(Limits()))
        store: Any = self.store
        node = ShardedNode(store, self.new_lease, count, options)
        self.nodes.append(node)
        return node

    async def start(self, name: str, count: int | None = SHARDS.count) -> ShardedNode:
        node = self.new_node(name, count)
        await node.start()
        return node


@asynccontextmanager
async def a_cluster() -> AsyncIterator[Cluster]:
    """Afterwards every node must drain, and leave nothing behind."""
    cluster = Cluster()
    yield cluster
    for node in cluster.nodes:
        await node.drain(5)
        await node.close()
    await asyncio.sleep(60)
    assert [lease.held() for lease in cluster.leases] == [None] * len(cluster.leases)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def owned(node: ShardedNode) -> list[int]:
    """Return the shards that a node owns."""
    return [index for index, part in enumerate(node.parts) if part.status().role is Role.OWNER]
