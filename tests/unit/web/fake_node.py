"""A node of which tests decide what it answers, for the HTTP layer's own tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from actors.domain.evidence import Evidence, EvidenceQuery
from actors.domain.messages import Queued, Updated, UpdateQuantity
from actors.domain.model import Epoch
from actors.errors import NotOwner, ShardsFixed, WorkOrderError
from actors.jobs.keeper import JobKeeper, JobOptions
from actors.node.status import Dependency, NodeStatus, OwnershipHistory, PartCounts, Role
from actors.operators.job_admin import JobAdmin
from actors.orders.region import Backlog, Statistics
from actors.store import LogPage, LogQuery
from actors.telemetry.part_samples import PartSample
from actors.telemetry.telemetry import Telemetry
from tests.fake_records import MemoryRecords
from tests.fakes import MemoryStore

if TYPE_CHECKING:
    import asyncio

    from actors.domain.messages import OrderLock
    from actors.domain.model import WorkOrderId
    from actors.domain.slots import ShardMap
    from actors.lease import Holder
    from actors.node.node import Node
    from actors.operators.inspector import ActorInspector
    from actors.store.port import OperationQuery

ORDER = "00000000000000000000000a"
COUNTS = Statistics(4, 2, 30, 5, 1, 9, paused=False, wait_ms=12.4)
Answer = Updated | Queued | WorkOrderError | Exception
Decide = Callable[[UpdateQuantity], Answer]


def applied(message: UpdateQuantity) -> Updated:
    """Answer as an order that had 10 pieces and can give or take any number."""
    change = message.change
    return Updated(
        change=change,
        work_order_id=message.work_order_id,
        seq=7,
        epoch=3,
        applied_quantity=change.quantity,
        before_quantity=10,
        after_quantity=10 + change.quantity,
        before_status="IN_PROGRESS",
        after_status="COMPLETED",
        before_progress=40,
        after_progress=100,
    )


@dataclass
class FakeRegion:
    """Answers with what `decide` says, and keeps what it was asked."""

    decide: Decide = applied
    asked: list[UpdateQuantity] = field(default_factory=list)
    calls: list[object] = field(default_factory=list)
    counts: Statistics = COUNTS
    held_orders: list[OrderLock] = field(default_factory=list)
    gate: asyncio.Event | None = None
    failure: Exception | None = None
    jobs: None = None

    async def update(self, message: UpdateQuantity) -> Updated | Queued:
        self.asked.append(message)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.decide(message)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def operate(self, message: UpdateQuantity) -> Updated:
        done = await self.update(message)
        assert isinstance(done, Updated)
        return done

    async def update_many(self, messages: Sequence[UpdateQuantity]) -> list[Answer]:
        self.asked.extend(messages)
        return [self.decide(message) for message in messages]

    async def pause(self) -> None:
        await self._operate("pause")

    async def resume(self) -> None:
        await self._operate("resume")

    async def pause_order(self, order_id: WorkOrderId) -> None:
        await self._operate(f"pause {order_id}")

    async def resume_order(self, order_id: WorkOrderId) -> None:
        await self._operate(f"resume {order_id}")

    def statistics(self) -> Statistics:
        return self.counts

    def backlog(self) -> Backlog:
        return Backlog(self.counts.waiting, self.counts.active, self.counts.wait_ms)

    async def held(self, limit: int) -> tuple[int, list[OrderLock]]:
        return len(self.held_orders), self.held_orders[:limit]

    async def _operate(self, what: str) -> None:
        self.calls.append(what)
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure


@dataclass
class FakeStore:
    """Holds the orders and the one log page it is given."""

    orders: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    page: LogPage = field(default_factory=lambda: LogPage(0, ()))
    queries: list[LogQuery] = field(default_factory=list)
    operated: Sequence[Mapping[str, Any]] = ()
    asked_operations: list[OperationQuery] = field(default_factory=list)
    failure: Exception | None = None
    gate: asyncio.Event | None = None
    secret: str = ""
    records: MemoryRecords = field(default_factory=MemoryRecords)

    async def detail(self, order_id: WorkOrderId) -> Mapping[str, Any] | None:
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return self.orders.get(order_id)

    async def search(self, text: str, limit: int) -> list[Mapping[str, Any]]:
        return [each for each in self.orders.values() if each.get("workOrderNo") == text][:limit]

    async def numbers(self, _ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        if self.failure is not None:
            raise self.failure
        return {}

    async def cluster_secret(self, fresh: str) -> str:
        self.secret = self.secret or fresh
        return self.secret

    async def log_page(self, query: LogQuery) -> LogPage:
        self.queries.append(query)
        if self.failure is not None:
            raise self.failure
        return self.page

    async def operations(self, query: OperationQuery) -> Sequence[Mapping[str, Any]]:
        self.asked_operations.append(query)
        return self.operated


async def _no_log(_query: EvidenceQuery) -> Evidence:
    return Evidence()


class FakeNode:
    """An owner with nothing to do."""

    roster: Any = None

    def __init__(self) -> None:
        self.node_id = "node-1"
        self.shards = None
        self.started = True
        self.region = FakeRegion()
        self.telemetry = Telemetry()
        self.store = FakeStore()
        self.inbox = MemoryStore().inbox
        self.keeper: JobKeeper | None = JobKeeper(
            self.inbox, Epoch(3), JobOptions(), lambda _: None, _no_log
        )
        self.jobs = JobAdmin(self.inbox, lambda: self.keeper)
        self.stuck_leases: int | Exception = 0
        self.history = OwnershipHistory()
        self.owner: Holder | None = None
        self.confirmed = True
        self._status = NodeStatus(
            node=self.node_id,
            url="http://127.0.0.1:3001",
            role=Role.OWNER,
            epoch=3,
            serving=True,
            reason=None,
            store=Dependency("mongodb", ok=True, detail="ok", since_s=60.25),
            lease=Dependency("redis", ok=True, detail="ok", since_s=61.0),
            lease_holder=self.node_id,
            lease_ttl_s=4.2,
            paused=False,
        )

    def status(self) -> NodeStatus:
        return self._status

    def inspector(self) -> ActorInspector:
        raise NotOwner("a fake has no actors")

    def ownership(self) -> OwnershipHistory:
        return self.history

    def owner_elsewhere(self) -> Holder | None:
        return self.owner

    def confirms(self, holder: Holder) -> bool:
        return holder == self.owner and self.confirmed

    def become(self, **changes: object) -> None:
        self._status = replace(self._status, **changes)  # type: ignore[arg-type]

    def counts(self) -> PartCounts | None:
        return PartCounts(4, 2, 1, 9, 3, 5, 12.34)

    def past(self, since: float) -> list[PartSample]:
        return [PartSample(since + 1, None, 4, 5), PartSample(since + 6, 12.34, 0, 7)]

    async def reshard(self, _count: int) -> ShardMap:
        raise ShardsFixed(self.node_id)

    @property
    def parts(self) -> tuple[FakeNode]:
        return (self,)

    def part_of(self, _order_id: WorkOrderId) -> int:
        return 0

    async def clean(self, grace_s: float) -> int:
        forgotten = await self.jobs.clean(grace_s)
        self.region.calls.append(grace_s)
        return forgotten

    async def clean_locks(self) -> int:
        if isinstance(self.stuck_leases, Exception):
            raise self.stuck_leases
        return self.stuck_leases

    def as_node(self) -> Node:
        """Return this fake where a real node belongs."""
        return cast("Node", self)
