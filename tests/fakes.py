"""A store in memory, at our own port: as faithful as a database, and scriptable.

`MemoryStore` keeps what MongoDB keeps (seq, turn, epoch and outbox in the order, entries and
refusals beside it) and fails as a network does. Its switches in `without` are the negative
controls: a store that lacks a check must be found out by the tests that rely on it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from actors.domain.model import (
    Beside,
    Epoch,
    LogEntry,
    Neighbours,
    OperationEntry,
    OrderFacts,
    OrderState,
    WorkOrderId,
)
from actors.domain.operations import are_done, is_all_counted
from actors.errors import (
    OutcomeUnknown,
    RelayRejected,
    StoreRejected,
    StoreUnavailable,
)
from actors.store import Claim, Committed, Evidence, LogPage, Refusal, Stale, StoredOrder
from actors.store.documents import entry_document, is_same, order_from
from actors.store.operations import operation_document
from actors.store.supplements import supplements_in
from actors.store.views import detail_row, operation_row
from tests.fake_archive import MemoryArchive
from tests.fake_inbox import MemoryInbox
from tests.fake_records import MemoryRecords
from tests.fake_views import document_of, found_by_text, found_by_trait, page_of
from tests.recounted import RecountedStatistics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    from actors.store import (
        ChangeSet,
        CommitResult,
        EvidenceQuery,
        LogQuery,
        Outcome,
    )
    from actors.store.port import Found, OperationQuery, Trait
    from actors.store.quantities import Statistics

_WRITTEN: Final = (
    "input_quantity",
    "output_quantity",
    "status",
    "progress",
    "plan_production_quantity",
    "scrap_quantity",
    "scrapped",
)
_GUARDED: Final = (
    "input_quantity",
    "output_quantity",
    "status",
    "plan_production_quantity",
    "scrap_quantity",
)

Check = Literal["turn", "state", "keys", "outbox", "overtaken"]
Method = Literal[
    "ping",
    "claim_epoch",
    "cluster_secret",
    "load",
    "evidence",
    "commit",
    "invalidate",
    "relay",
    "trim",
    "neighbours",
    "closable",
    "next_order",
    "dirty",
    "detail",
    "log_page",
    "paused",
    "set_paused",
    "add",
    "waiting",
    "note",
    "requeue",
    "find",
    "page",
    "remove",
    "forget",
    "records",
]


class Fault(Enum):
    """What befalls one call of the store."""

    REFUSE = auto()
    """Nothing is sent."""
    LOSE_ANSWER = auto()
    """It is done; nobody hears of it."""
    LOSE = auto()
    """It is sent, never arrives, and nobody hears of it."""
    DELAY = auto()
    """Nobody hears of it, and it is done when `deliver` is called."""


async def _no_wait(_method: Method) -> None:
    await asyncio.sleep(0)


@dataclass
class MemoryStore:
    """Implements `actors.store.Store`; several owners may share one, as they share a database."""

    name: str = "memory"
    without: frozenset[Check] = frozenset()
    orders: dict[WorkOrderId, StoredOrder] = field(default_factory=dict)
    log: dict[WorkOrderId, dict[str, LogEntry]] = field(default_factory=lambda: defaultdict(dict))
    refused: dict[WorkOrderId, dict[str, Refusal]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    operated: dict[WorkOrderId, dict[str, OperationEntry]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    production_orders: dict[WorkOrderId, str] = field(default_factory=dict)
    originals: dict[WorkOrderId, WorkOrderId] = field(default_factory=dict)
    """Of supplements."""
    begins: dict[WorkOrderId, int] = field(default_factory=dict)
    """What `planStartTime` is compared by."""
    calls: Counter[str] = field(default_factory=Counter)
    late: list[Callable[[], object]] = field(default_factory=list)
    """What was delayed and not yet delivered."""
    faults: defaultdict[str, deque[Fault | None]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    choose: Callable[[Method], Fault | None] = lambda _method: None
    """Picks the fault of a call for which none is scripted."""
    travel: Callable[[Method], Awaitable[None]] = _no_wait
    """Takes the time that a call needs on its way there, and again back."""
    commit_rejects: Callable[[ChangeSet], bool] = lambda _change: False
    relay_rejects: Callable[[Outcome], bool] = lambda _outcome: False
    is_paused: bool = False
    inbox: MemoryInbox = field(init=False)
    records: MemoryRecords = field(init=False)
    archive: MemoryArchive = field(init=False)
    _epoch: int = 0
    _claim: Claim | None = None
    _secret: str = ""
    _gates: dict[str, asyncio.Event] = field(default_factory=dict)
    _arrivals: dict[str, asyncio.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inbox = MemoryInbox(self)
        self.records = MemoryRecords(lambda: self.read("records"))
        self.archive = MemoryArchive(self)

    @property
    def statistics(self) -> Statistics:
        return RecountedStatistics(
            lambda: [entry_document(each) for log in self.log.values() for each in log.values()]
        )

    # -- the test's side ---------------------------------------------------------------------

    def put(self, order_id: WorkOrderId, **state: Any) -> None:  # noqa: ANN401 fields of OrderState
        """Add an order as the main service makes it, or replace the whole document."""
        values: dict[str, Any] = {"plan_production_quantity": 1_000_000, "status": "IN_PROGRESS"}
        facts = OrderFacts(work_order_no=f"WO-{order_id}")
        self.orders[order_id] = StoredOrder(order_id, facts, OrderState(**values | state))

    def edit(self, order_id: WorkOrderId, **state: Any) -> None:  # noqa: ANN401 the same
        """Change fields of an order as the main service does."""
        order = self.orders[order_id]
        self.orders[order_id] = replace(order, state=replace(order.state, **state))

    def script(self, method: Method, *faults: Fault | None) -> None:
        """Let the next calls of `method` meet these faults, one each."""
        self.faults[method].extend(faults)

    @asynccontextmanager
    async def holding(self, method: Method) -> AsyncIterator[asyncio.Event]:
        """Keep calls of `method` from being done; gives an event that one has come."""
        self._gates[method], arrived = asyncio.Event(), asyncio.Event()
        self._arrivals[method] = arrived
        try:
            yield arrived
        finally:
            self._gates.pop(method).set()
            del self._arrivals[method]

    def deliver(self) -> None:
        """Do what was delayed."""
        late, self.late = self.late, []
        for work in late:
            work()

    def written(self, order_id: WorkOrderId) -> list[LogEntry]:
        """Return the order's log with its outbox merged in, by seq, as readers see it."""
        entries = dict(self.log[order_id])
        order = self.orders.get(order_id)
        for outcome in order.outbox if order else ():
            if isinstance(outcome, LogEntry):
                entries.setdefault(outcome.change.job_id, outcome)
        return sorted(entries.values(), key=lambda entry: entry.seq)

    def quantity(self, order_id: WorkOrderId) -> float:
        """Return the stored input quantity."""
        return self.orders[order_id].state.input_quantity

    async def _meet(self, method: Method) -> Fault | None:
        self.calls[method] += 1
        await self.travel(method)
        if method in self._gates:
            self._arrivals[method].set()
            await self._gates[method].wait()
        fault = self.faults[method].popleft() if self.faults[method] else self.choose(method)
        if fault is Fault.REFUSE:
            raise StoreUnavailable(f"{method} was not sent")
        return fault

    async def write(self, method: Method, works: Sequence[Callable[[], Any]]) -> list[Any]:
        """Do all of a write, or let it meet its fault."""
        fault = await self._meet(method)
        if fault is Fault.DELAY:
            self.late += works
        if fault in (Fault.DELAY, Fault.LOSE):
            await self.travel(method)
            raise OutcomeUnknown(f"{method} was not answered")
        results = [work() for work in works]
        await self.travel(method)
        if fault is Fault.LOSE_ANSWER:
            raise OutcomeUnknown(f"{method} was done and not answered")
        return results

    async def read(self, method: Method) -> None:
        """Let a read meet its fault."""
        if await self._meet(method) is not None:
            raise StoreUnavailable(f"{method} was not answered")

    # -- the port ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Be open."""

    async def close(self) -> None:
        """Be closed; nobody is kept from going on."""

    async def ping(self) -> None:
        await self.read("ping")

    async def claim_epoch(self, node: str, *, above: int = 0, url: str = "") -> Epoch:
        [epoch] = await self.write("claim_epoch", [partial(self._next_epoch, above, node, url)])
        return Epoch(epoch)

    async def claim(self) -> Claim | None:
        return self._claim

    async def cluster_secret(self, fresh: str) -> str:
        [secret] = await self.write("cluster_secret", [partial(self._keep_secret, fresh)])
        return str(secret)

    def _keep_secret(self, fresh: str) -> str:
        self._secret = self._secret or fresh
        return self._secret

    async def epoch(self) -> Epoch:
        return Epoch(self._epoch)

    def _next_epoch(self, above: int, node: str, url: str) -> int:
        self._epoch = max(self._epoch, above) + 1
        self.inbox.book.fence_off(self._epoch)
        self._claim = Claim(Epoch(self._epoch), node, url)
        return self._epoch

    def exclusive(self, _name: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def neighbours(self, order_id: WorkOrderId) -> Neighbours | None:
        await self.read("neighbours")
        mine = self.orders.get(order_id)
        if mine is None:
            return None
        line, shared = mine.facts.production_line_id, self.production_orders.get(order_id)
        others = [each for each in self.orders.values() if each.id != order_id]
        busy = line is not None and any(
            each.facts.production_line_id == line and each.state.status == "IN_PROGRESS"
            for each in others
        )
        planned = sum(
            each.state.plan_production_quantity or 0
            for each in others
            if shared is not None and self.production_orders.get(each.id) == shared
        )
        made = sum(
            each.state.plan_quantity or 0
            for each in others
            if self.originals.get(each.id) == order_id and each.state.status != "CANCELLED"
        )
        return Neighbours(line, shared, Beside(busy, planned, made))

    async def closable(self, order_id: WorkOrderId | None) -> list[WorkOrderId]:
        await self.read("closable")
        asked = set(self.originals.values())
        if order_id is not None:
            asked &= {order_id, self.originals.get(order_id, order_id)}
        return [each for each in asked if each in self.orders and self._is_closable(each)]

    def _is_closable(self, order_id: WorkOrderId) -> bool:
        made = [each for each, original in self.originals.items() if original == order_id]
        return is_all_counted(self.orders[order_id].state) and are_done(
            self.orders[each].state.status for each in made
        )

    async def next_order(self, order_id: WorkOrderId) -> WorkOrderId | None:
        await self.read("next_order")
        mine = self.orders[order_id].facts
        fit = [
            each.id
            for each in self.orders.values()
            if each.id in self.begins
            and each.state.status == "PENDING"
            and each.facts.production_line_id == mine.production_line_id is not None
            and each.facts.material_id == mine.material_id is not None
        ]
        return min(fit, key=lambda each: (self.begins[each], each), default=None)

    async def load(self, ids: Sequence[WorkOrderId]) -> list[StoredOrder | None]:
        await self.read("load")
        orders = [self._as_read(each) for each in ids]
        await self.travel("load")
        return orders

    def _as_read(self, order_id: WorkOrderId) -> StoredOrder | None:
        order = self.orders.get(order_id)
        if order is None:
            return None
        logged = max((each.seq for each in self.log[order_id].values()), default=0)
        if order.seq >= logged:
            return order
        return replace(order, seq=logged, stored_seq=order.seq if order.adopted else None)

    async def evidence(self, queries: Sequence[EvidenceQuery]) -> list[Evidence]:
        await self.read("evidence")
        found = [self._evidence_for(each) for each in queries]
        await self.travel("evidence")
        return found

    def _evidence_for(self, query: EvidenceQuery) -> Evidence:
        evidence = Evidence(whole=query.whole)
        for outcome in self._outcomes(query.work_order_id):
            change = outcome.change
            if (
                query.whole
                or change.job_id in query.job_ids
                or (change.request_id in query.request_ids and "keys" not in self.without)
                or change.context.related_barcode in query.barcodes
            ):
                evidence.note(outcome)
        if "keys" in self.without:
            evidence.by_request.clear()
        return evidence

    def _outcomes(self, order_id: WorkOrderId) -> Iterator[Outcome]:
        yield from self.log[order_id].values()
        yield from self.operated[order_id].values()
        yield from self.refused[order_id].values()

    async def commit(self, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        works = [partial(self._commit_one, epoch, change) for change in changes]
        return await self.write("commit", works)

    def _commit_one(self, epoch: Epoch, change: ChangeSet) -> CommitResult:
        if self.commit_rejects(change):
            return StoreRejected("a validator says no")
        order = self.orders.get(change.before.id)
        if order is None or not self._is_as_decided(order, change, epoch):
            current = self._as_read(change.before.id)
            if self._is_stored(change, current):
                return Committed(replace(current or change.before, outbox=()))
            return Stale(current)
        before, after = change.before, change.after
        written = {
            name: getattr(after, name)
            for name in _WRITTEN
            if getattr(after, name) != getattr(before.state, name)
        }
        carried = () if "outbox" in self.without else change.carried
        stored = replace(
            order,
            state=replace(order.state, **written),
            seq=before.seq + sum(isinstance(each, LogEntry) for each in change.outcomes),
            revision=before.revision + 1,
            epoch=epoch,
            adopted=True,
            outbox=(*carried, *change.outcomes),
            guard={},
        )
        self.orders[before.id] = stored
        for entry in supplements_in(change.outcomes):
            self._make(entry)
        return Committed(replace(stored, state=replace(stored.state), outbox=()))

    def _make(self, entry: OperationEntry) -> None:
        made, source = WorkOrderId(entry.change.job_id), self.orders[entry.work_order_id]
        pieces = entry.change.quantity
        state = OrderState(plan_production_quantity=pieces, plan_quantity=pieces, status="PENDING")
        facts = replace(source.facts, work_order_no=f"{source.facts.work_order_no}-S1")
        self.orders[made] = StoredOrder(made, facts, state)
        self.originals[made] = source.id

    def _is_as_decided(self, order: StoredOrder, change: ChangeSet, epoch: Epoch) -> bool:
        before, planned = change.before, change.plan_quantity
        if planned is not None and order.state.plan_quantity != planned:
            return False
        if "turn" not in self.without and not _is_at_turn(order, before, epoch):
            return False
        return "state" in self.without or all(
            getattr(order.state, name) == getattr(before.state, name) for name in _GUARDED
        )

    def _is_stored(self, change: ChangeSet, current: StoredOrder | None) -> bool:
        found = {each.change.job_id: each for each in self._outcomes(change.before.id)}
        if current is not None:
            found |= {each.change.job_id: each for each in current.outbox}
        return bool(change.outcomes) and all(
            is_same(found.get(each.change.job_id), each) for each in change.outcomes
        )

    async def invalidate(self, epoch: Epoch, order: StoredOrder) -> None:
        await self.write("invalidate", [partial(self._invalidate, epoch, order)])

    def _invalidate(self, epoch: Epoch, order: StoredOrder) -> None:
        stored = self.orders.get(order.id)
        if stored is None or not _is_at_turn(stored, order, epoch):
            return
        self.orders[order.id] = replace(
            stored, seq=order.seq, revision=order.revision + 1, epoch=epoch, adopted=True
        )

    async def relay(self, outcomes: Sequence[Outcome]) -> None:
        [refused] = await self.write("relay", [partial(self._relay, outcomes)])
        if refused:
            raise RelayRejected(frozenset(refused), "a validator says no")

    def _relay(self, outcomes: Sequence[Outcome]) -> list[str]:
        refused: list[str] = []
        for outcome in outcomes:
            order_id, job_id = outcome.work_order_id, outcome.change.job_id
            if any(each.change.job_id == job_id for each in self._outcomes(order_id)):
                continue
            if self.relay_rejects(outcome) or self._is_taken(outcome):
                refused.append(job_id)
            elif isinstance(outcome, LogEntry):
                self.log[order_id][job_id] = outcome
            elif isinstance(outcome, OperationEntry):
                self.operated[order_id][job_id] = outcome
            else:
                self.refused[order_id][job_id] = outcome
        return refused

    def _is_taken(self, outcome: Outcome) -> bool:
        """Look at the unique indexes: one entry per seq, one outcome per key and collection."""
        key = outcome.change.request_id
        others = (self.log if isinstance(outcome, LogEntry) else self.refused)[
            outcome.work_order_id
        ]
        return any(
            (key is not None and each.change.request_id == key and "keys" not in self.without)
            or (isinstance(outcome, LogEntry) and getattr(each, "seq", 0) == outcome.seq)
            for each in others.values()
        )

    async def trim(self, epoch: Epoch, orders: Sequence[StoredOrder]) -> None:
        await self.write("trim", [partial(self._trim, epoch, order) for order in orders])

    def _trim(self, epoch: Epoch, order: StoredOrder) -> None:
        stored = self.orders.get(order.id)
        if stored is not None and stored.adopted and _is_at_turn(stored, order, epoch):
            self.orders[order.id] = replace(stored, outbox=())

    async def dirty(self, limit: int) -> list[WorkOrderId]:
        await self.read("dirty")
        return [order.id for order in self.orders.values() if order.outbox][:limit]

    async def detail(self, order_id: WorkOrderId) -> Mapping[str, Any] | None:
        await self.read("detail")
        order = self.orders.get(order_id)
        return None if order is None else detail_row(document_of(order))

    async def search(self, text: str, limit: int) -> Sequence[Mapping[str, Any]]:
        return found_by_text(self.orders, text, limit)

    async def numbers(self, ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        found = {each: self.orders[each].facts.work_order_no for each in ids if each in self.orders}
        return {each: number for each, number in found.items() if number}

    async def search_by(self, trait: Trait, text: str, limit: int) -> Found:
        logs = {each: self.written(each) for each in self.orders}
        return found_by_trait(self.orders, logs, trait, text, limit)

    async def log_page(self, query: LogQuery) -> LogPage:
        await self.read("log_page")
        return page_of(self.written(query.work_order_id), query)

    async def operations(self, query: OperationQuery) -> Sequence[Mapping[str, Any]]:
        await self.read("log_page")
        order = self.orders.get(query.work_order_id)
        known = dict(self.operated[query.work_order_id])
        for each in order.outbox if order else ():
            if isinstance(each, OperationEntry):
                known[each.change.job_id] = each
        fit = [each for each in known.values() if query.has(each.seq)]
        fit.sort(key=lambda each: (each.operated_at, each.change.job_id), reverse=True)
        return [operation_row(operation_document(each)) for each in fit[: query.limit]]

    async def paused(self) -> bool:
        await self.read("paused")
        return self.is_paused

    async def set_paused(self, epoch: Epoch, *, paused: bool) -> None:
        await self.write("set_paused", [partial(self._set_paused, epoch, paused)])
        await self.inbox.check(epoch)

    def _set_paused(self, epoch: int, paused: bool) -> None:  # noqa: FBT001 -- a step
        if epoch >= self.inbox.book.fence:
            self.is_paused = paused

    async def insert_orders(self, documents: Sequence[Mapping[str, Any]]) -> int:
        new = {str(each["_id"]).lower(): each for each in documents}
        new = {order_id: each for order_id, each in new.items() if order_id not in self.orders}
        for order_id, document in new.items():
            order = order_from({**document, "_id": order_id}, None, 0)
            self.orders[order.id] = replace(order, guard={})
        return len(new)


def _is_at_turn(order: StoredOrder, before: StoredOrder, epoch: Epoch) -> bool:
    if order.epoch > epoch or order.adopted != before.adopted:
        return False
    if not before.adopted:
        return True
    return (order.seq, order.revision) == (before.document_seq, before.revision)
