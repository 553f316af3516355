"""The simulated database: what is durable, and each step that a server takes at once.

Documents as MongoDB has them: the shared schema's fields, and ours under one key. A step is
atomic for one document and no further. All that ever happened to an order is kept for the
checker, which trusts no actor's word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actors.domain.commit import StoredOrder
from actors.domain.model import LogEntry, OrderFacts, OrderState
from actors.errors import StoreRejected
from tests.job_book import JobBook
from tests.sim.archive import Shelf

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from actors.domain.commit import ChangeSet
    from actors.domain.evidence import Outcome
    from actors.domain.model import Number, WorkOrderId
    from actors.store.port import Claim

_GUARDED = {
    "input_quantity": "inputQuantity",
    "output_quantity": "outputQuantity",
    "status": "status",
    "plan_production_quantity": "planProductionQuantity",
    "scrap_quantity": "scrapQuantity",
}
_WRITTEN = ("input_quantity", "output_quantity", "status", "progress")


@dataclass(frozen=True, slots=True)
class Ours:
    """What a commit leaves under `planServer`."""

    epoch: int
    seq: int
    revision: int
    outbox: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """One commit, as the server carried it out."""

    epoch: int
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Edited:
    """One write of somebody else, and how it moved the quantities."""

    input_by: Number
    output_by: Number
    wiped: tuple[Outcome, ...] = ()
    """Outcomes of ours that it threw away before the log had them."""


@dataclass(slots=True)
class Document:
    """One order."""

    fields: dict[str, Any]
    ours: Ours | None = None
    history: list[Applied | Edited] = field(default_factory=list)


@dataclass(slots=True)
class Fence:
    """Which parts of a commit's filter the server honours: all, but for negative controls."""

    epoch: bool = True
    seq: bool = True
    revision: bool = True
    inbox: bool = True
    """Whether who adds to the inbox looks at the epoch afterwards."""


@dataclass(slots=True)
class Database:
    """Orders, log, refusals and the node state; every method is one step of the server."""

    fence: Fence = field(default_factory=Fence)
    orders: dict[WorkOrderId, Document] = field(default_factory=dict)
    logs: dict[str, LogEntry] = field(default_factory=dict)
    refusals: dict[str, Outcome] = field(default_factory=dict)
    shelf: Shelf = field(default_factory=Shelf)
    poison: set[str] = field(default_factory=set)
    """Jobs that a validator refuses for good."""
    top: int = 0
    claim: Claim | None = None
    secret: str = ""
    is_paused: bool = False
    inbox: JobBook = field(default_factory=JobBook)
    _places: dict[tuple[WorkOrderId, int], str] = field(default_factory=dict)
    _keys: dict[tuple[WorkOrderId, str], str] = field(default_factory=dict)
    _refused_keys: dict[tuple[WorkOrderId, str], str] = field(default_factory=dict)

    # -- reading -------------------------------------------------------------------------------

    def read(self, order_id: WorkOrderId) -> tuple[dict[str, Any], Ours | None] | None:
        """Return a copy of the document."""
        document = self.orders.get(order_id)
        return None if document is None else (dict(document.fields), document.ours)

    def log_seq(self, order_id: WorkOrderId) -> int:
        """Return the highest seq in the order's log."""
        return max((seq for order, seq in self._places if order == order_id), default=0)

    def written(self, order_id: WorkOrderId) -> list[LogEntry]:
        """Give the order's log with archive and outbox merged in."""
        both = self.logs | self.shelf.entries
        entries = {job: each for job, each in both.items() if each.work_order_id == order_id}
        document = self.orders.get(order_id)
        for each in document.ours.outbox if document and document.ours else ():
            if isinstance(each, LogEntry):
                entries.setdefault(each.change.job_id, each)
        return list(entries.values())

    def has(self, outcome_id: str, order_id: WorkOrderId) -> bool:
        """Return whether an outcome is durable: in the log or in its order's outbox."""
        if any(outcome_id in each for each in (self.logs, self.shelf.entries, self.refusals)):
            return True
        document = self.orders[order_id]
        held = list(document.ours.outbox if document.ours else ())
        for event in document.history:  # not for the service to keep from others
            held += event.wiped if isinstance(event, Edited) else ()
        return any(each.change.job_id == outcome_id for each in held)

    # -- writing -------------------------------------------------------------------------------

    def commit(self, epoch: int, change: ChangeSet) -> bool | StoreRejected:
        """Compare and set one order; tell whether it matched."""
        before = change.before
        document = self.orders.get(before.id)
        if document is None or not self._matches(epoch, before, document):
            return False
        if not self.poison.isdisjoint(each.change.job_id for each in change.outcomes):
            return StoreRejected("a validator refuses it")
        for name in _WRITTEN:
            after = getattr(change.after, name)
            if after != getattr(before.state, name):
                document.fields[name] = after
        entries = sum(isinstance(each, LogEntry) for each in change.outcomes)
        outbox = (*change.carried, *change.outcomes)
        document.ours = Ours(epoch, before.seq + entries, before.revision + 1, outbox)
        document.history.append(Applied(epoch, change.outcomes))
        return True

    def _matches(self, epoch: int, before: StoredOrder, document: Document) -> bool:
        if not self._is_at(epoch, before, document.ours):
            return False
        return all(
            document.fields[name] == before.guard.get(shared, getattr(before.state, name))
            for name, shared in _GUARDED.items()
        )

    def _is_at(self, epoch: int, order: StoredOrder, ours: Ours | None) -> bool:
        if ours is None or not order.adopted:
            return ours is None and not order.adopted
        return (
            (ours.epoch <= epoch or not self.fence.epoch)
            and (ours.seq == order.document_seq or not self.fence.seq)
            and (ours.revision == order.revision or not self.fence.revision)
        )

    def invalidate(self, epoch: int, order: StoredOrder) -> None:
        """Advance the turn of an order that is still as given."""
        document = self.orders.get(order.id)
        if document is None or not self._is_at(epoch, order, document.ours):
            return
        ours = document.ours or Ours(epoch, order.seq, order.revision)
        document.ours = Ours(epoch, ours.seq, order.revision + 1, ours.outbox)

    def advance(self, order: StoredOrder, statuses: Collection[str] | None) -> bool:
        """Advance the turn of an order that is as it was read, and has one of these statuses."""
        document = self.orders.get(order.id)
        if document is None or not self._is_at(order.epoch, order, document.ours):
            return False
        if statuses is not None and document.fields["status"] not in statuses:
            return False
        ours = document.ours or Ours(0, order.seq, order.revision)
        document.ours = Ours(ours.epoch, ours.seq, order.revision + 1, ours.outbox)
        return True

    def trim(self, epoch: int, order: StoredOrder) -> None:
        """Empty the outbox of an order that is still as given."""
        document = self.orders.get(order.id)
        if document is None or not self._is_at(epoch, order, document.ours):
            return
        if document.ours is not None:
            document.ours = Ours(document.ours.epoch, document.ours.seq, document.ours.revision)

    def insert(self, outcomes: Iterable[Outcome]) -> dict[str, str]:
        """Add to log and refusals what is missing; give jobs and reasons of what is refused."""
        refused: dict[str, str] = {}
        for outcome in outcomes:
            reason = self._insert(outcome)
            if reason:
                refused[outcome.change.job_id] = reason
        return refused

    def _insert(self, outcome: Outcome) -> str | None:
        job_id, order_id = outcome.change.job_id, outcome.work_order_id
        key = (order_id, str(outcome.change.request_id))
        if not isinstance(outcome, LogEntry):
            return self._insert_refusal(outcome, key)
        if job_id in self.logs:
            return None
        place = (order_id, outcome.seq)
        if place in self._places:
            return f"seq {outcome.seq} of {order_id} is taken"
        if outcome.change.request_id is not None:
            if key in self._keys:
                return f"key {key[1]} is in the log"
            self._keys[key] = job_id
        self.logs[job_id] = outcome
        self._places[place] = job_id
        return None

    def _insert_refusal(self, refusal: Outcome, key: tuple[WorkOrderId, str]) -> str | None:
        if refusal.change.job_id in self.refusals:
            return None
        if key in self._refused_keys:
            return f"key {key[1]} was refused before"
        self.refusals[refusal.change.job_id] = refusal
        self._refused_keys[key] = refusal.change.job_id
        return None

    def remove(self, job_id: str) -> None:
        """Delete an entry of the log, and with it what its unique indexes hold."""
        entry = self.logs.pop(job_id, None)
        if entry is not None:
            self._places.pop((entry.work_order_id, entry.seq))
            self._keys.pop((entry.work_order_id, str(entry.change.request_id)), None)

    # -- others --------------------------------------------------------------------------------

    def delete_logs(self, order_id: WorkOrderId) -> None:
        """Delete the order's log, and with it what its unique indexes hold."""
        self.logs = {job: each for job, each in self.logs.items() if each.work_order_id != order_id}
        self._places = {at: job for at, job in self._places.items() if at[0] != order_id}
        self._keys = {key: job for key, job in self._keys.items() if key[0] != order_id}

    def edit(self, order_id: WorkOrderId, fields: Mapping[str, Any]) -> None:
        """Write some fields as the main service does."""
        document = self.orders[order_id]
        self.put(order_id, {**document.fields, **fields}, document.ours)

    def put(self, order_id: WorkOrderId, fields: dict[str, Any], ours: Ours | None) -> None:
        """Write the whole document, as somebody does who saves a copy."""
        document = self.orders[order_id]
        old, before = document.fields, document.ours
        document.fields, document.ours = fields, ours
        kept = ours.outbox if ours else ()
        wiped = tuple(
            each
            for each in (before.outbox if before else ())
            if each not in kept
            and each.change.job_id not in self.logs
            and each.change.job_id not in self.shelf.entries
            and each.change.job_id not in self.refusals
        )
        document.history.append(
            Edited(
                document.fields["input_quantity"] - old["input_quantity"],
                document.fields["output_quantity"] - old["output_quantity"],
                wiped,
            )
        )


def stored_order(
    order_id: WorkOrderId, fields: Mapping[str, Any], ours: Ours | None, log_seq: int
) -> StoredOrder:
    """Read an order as the MongoDB store does."""
    guard: dict[str, Any] = {}
    if fields["plan_production_quantity"] is None:
        guard["planProductionQuantity"] = None
    return StoredOrder(
        id=order_id,
        facts=OrderFacts(work_order_no=order_id),
        state=OrderState(**fields),
        seq=max(ours.seq if ours else 0, log_seq),
        epoch=ours.epoch if ours else 0,
        revision=ours.revision if ours else 0,
        adopted=ours is not None,
        outbox=ours.outbox if ours else (),
        guard=guard,
        stored_seq=ours.seq if ours is not None and ours.seq < log_seq else None,
    )
