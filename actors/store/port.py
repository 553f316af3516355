"""The Store port: what the actors need of a database, and what they may rely on.

Every implementation passes `tests/contract/test_store_*.py`. The rules of the port:

* `commit` is one compare-and-set per order: it applies only where `seq`, `turn` and the
  fields that the rules read are still as `before` says and the stored epoch is not above the
  caller's. It never does half of a change set.
* What `commit` reported as applied is durable (majority and journaled, or fsynced).
* Applied outcomes are readable at once through `log_page` and `evidence` + the committer's
  ledger, whether or not `relay` ran.
* Driver errors become `StoreUnavailable` (nothing sent that changes data) or
  `OutcomeUnknown` (sent, not answered) in the adapter, nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from actors.errors import StoreRejected
from actors.rules import (
    LogEntry,
    LogPosition,
    OrderFacts,
    OrderState,
    is_first_step_scan,
    is_unbind,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from actors.messages import Epoch
    from actors.rules import Change, RequestId, WorkOrderId
    from actors.store.inbox import Inbox


@dataclass(frozen=True, slots=True)
class Refusal:
    """A keyed request that the order's state refused: kept, so that its retry is refused, too."""

    work_order_id: WorkOrderId
    epoch: int
    change: Change
    refused_at: datetime
    code: str = "DUPLICATE_OPERATION"
    detail: float = 0
    """For `INVALID_QUANTITY`: the quantity that the order would have had."""


Outcome = LogEntry | Refusal
"""What a change set leaves behind; its id is `outcome.change.job_id`."""


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as read, or as it is known to be after a commit."""

    id: WorkOrderId
    facts: OrderFacts
    state: OrderState
    seq: int = 0
    """Number of log entries that this service wrote for the order."""
    epoch: int = 0
    turn: int = 0
    """Counts commits, the ones without an entry too: makes every compare-and-set unique."""
    adopted: bool = False
    """Whether the order carries our state; ``False`` before our first commit to it, or
    after somebody replaced the whole document."""
    outbox: tuple[Outcome, ...] = ()
    guard: Mapping[str, Any] = field(default_factory=dict)
    """Fields whose stored value is not the plain number or text in `state` (missing, null,
    text): the store compares these as they were read. Opaque to everyone else."""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """All that one commit does to one order."""

    before: StoredOrder
    after: OrderState
    outcomes: tuple[Outcome, ...]
    """New entries and refusals, in order; the entries' seq goes on from `before.seq`."""
    carried: tuple[Outcome, ...]
    """Earlier outcomes not yet known to be durable in the log: they stay in the outbox."""
    at: datetime
    traceparents: tuple[str, ...] = ()
    """Of the updates that it carries, where they are traced."""

    def applied(self, epoch: int, guard: Mapping[str, Any]) -> StoredOrder:
        """Give the order as it is once this is committed under `epoch`."""
        before = self.before
        entries = sum(isinstance(each, LogEntry) for each in self.outcomes)
        return StoredOrder(
            before.id,
            before.facts,
            self.after,
            before.seq + entries,
            epoch,
            before.turn + 1,
            adopted=True,
            guard=guard,
        )


@dataclass(frozen=True, slots=True)
class Committed:
    """The change set is durable; `order` is what is stored now (its outbox left out)."""

    order: StoredOrder


@dataclass(frozen=True, slots=True)
class Stale:
    """Nothing of the change set is applied; `current` is what is stored now, None when gone."""

    current: StoredOrder | None


CommitResult = Committed | Stale | StoreRejected


@dataclass(frozen=True, slots=True)
class EvidenceQuery:
    """What the log must be asked before changes of one order are decided."""

    work_order_id: WorkOrderId
    request_ids: frozenset[RequestId] = frozenset()
    job_ids: frozenset[str] = frozenset()
    """Jobs whose first attempt may have been applied already."""
    barcodes: frozenset[str] = frozenset()


@dataclass(slots=True)
class Evidence:
    """What is known of an order's past that decides about new changes."""

    by_request: dict[RequestId, Outcome] = field(default_factory=dict)
    by_job: dict[str, Outcome] = field(default_factory=dict)
    scans: dict[tuple[str, str], LogPosition] = field(default_factory=dict)
    """(barcode, process step id) → latest first-step scan."""
    unbinds: dict[str, LogPosition] = field(default_factory=dict)
    """barcode → latest unbind."""

    def note(self, outcome: Outcome) -> None:
        """Add one outcome, newer than those added before."""
        change = outcome.change
        self.by_job[change.job_id] = outcome
        if change.request_id is not None:
            self.by_request[change.request_id] = outcome
        if not isinstance(outcome, LogEntry):
            return
        position = LogPosition(outcome.seq, outcome.operate_time, change.job_id)
        context = change.context
        if is_first_step_scan(change):
            self.note_scan(str(context.related_barcode), str(context.process_step_id), position)
        elif is_unbind(change):
            self.note_unbind(str(context.related_barcode), position)

    def note_scan(self, barcode: str, step: str, position: LogPosition) -> None:
        """Add a first-step scan; the latest one counts."""
        known = self.scans.get((barcode, step))
        self.scans[barcode, step] = position if known is None else max(known, position)

    def note_unbind(self, barcode: str, position: LogPosition) -> None:
        """Add an unbind; the latest one counts."""
        known = self.unbinds.get(barcode)
        self.unbinds[barcode] = position if known is None else max(known, position)

    def include(self, other: Evidence) -> None:
        """Add all that `other` knows."""
        self.by_job |= other.by_job
        self.by_request |= other.by_request
        for (barcode, step), position in other.scans.items():
            self.note_scan(barcode, step, position)
        for barcode, position in other.unbinds.items():
            self.note_unbind(barcode, position)


@dataclass(frozen=True, slots=True)
class LogQuery:
    """One page of an order's log, newest first; `since` and `until` are aware and inclusive."""

    work_order_id: WorkOrderId
    page: int = 1
    page_size: int = 20
    change_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """Log documents under the shared schema's field names, ids as text, datetimes aware."""

    total: int
    logs: tuple[Mapping[str, Any], ...]


class Store(Protocol):
    """The database behind the actors. All coroutines may raise `StoreUnavailable`."""

    name: str
    """"mongodb" or "sqlite", as `/health` shows it."""

    @property
    def inbox(self) -> Inbox:
        """Give the waiting work that is kept beside the orders."""
        ...

    async def open(self) -> None:
        """Connect and make collections and indexes; raises `StartupError` when that can't be."""
        ...

    async def close(self) -> None:
        """Give all connections back. Idempotent."""
        ...

    async def ping(self) -> None:
        """Return when the store can take a write now."""
        ...

    async def claim_epoch(self, node: str, *, above: int = 0) -> Epoch:
        """Take the next epoch, durably; higher than every one given before, and than `above`.

        An order may carry a higher epoch than was ever claimed here: where a backup brought the
        orders back and not the count.
        """
        ...

    async def epoch(self) -> Epoch:
        """Give the highest epoch claimed so far, 0 when none."""
        ...

    async def load(self, ids: Sequence[WorkOrderId]) -> list[StoredOrder | None]:
        """Read orders, durable state only, in the order of `ids`."""
        ...

    async def evidence(self, queries: Sequence[EvidenceQuery]) -> list[Evidence]:
        """Ask the log, in the order of `queries`."""
        ...

    async def commit(self, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        """Compare-and-set each order; raises `OutcomeUnknown` when any answer is missing.

        The same change sets may be given again until they are settled: one that was applied
        before answers `Committed`. One that the database refuses for good (a validator, a
        size) answers `StoreRejected`, as a result, so that it fails alone.
        """
        ...

    async def burn(self, epoch: Epoch, order: StoredOrder) -> None:
        """Advance `turn` where seq and turn are still `order`'s, changing nothing else.

        Afterwards no attempt that was decided on `order` can be applied any more, however late
        it arrives. Raises `OutcomeUnknown`.
        """
        ...

    async def relay(self, outcomes: Sequence[Outcome]) -> None:
        """Copy outcomes to the log, durably; those that are there already do no harm.

        Raises:
            RelayRejected: the database refuses some for good; all others were written.

        """
        ...

    async def trim(self, epoch: Epoch, orders: Sequence[StoredOrder]) -> None:
        """Empty the outbox of orders whose seq and turn are still as given."""
        ...

    async def dirty(self, limit: int) -> list[WorkOrderId]:
        """Give at most `limit` orders whose outbox is not empty."""
        ...

    async def detail(self, order_id: WorkOrderId) -> Mapping[str, Any] | None:
        """Give the order under the shared schema's field names, for `detail/:id`."""
        ...

    async def search(self, text: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """Give at most `limit` orders whose id or number begins with `text`, as `detail` does.

        Those with the id come first, the others by number. A number is tried as it is typed and
        in capitals, an id from its first eight digits on.
        """
        ...

    async def log_page(self, query: LogQuery) -> LogPage:
        """Give a page of the log with outboxes merged in: all that was acknowledged."""
        ...

    async def paused(self) -> bool:
        """Tell whether processing is paused; survives restarts and changes of owner."""
        ...

    async def set_paused(self, *, paused: bool) -> None:
        """Remember durably whether processing is paused."""
        ...

    async def insert_orders(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Add orders under the shared schema's names (`_id` as hex text); skip ids that exist.

        Returns the number added.
        """
        ...
