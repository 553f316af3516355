"""The Store port: what the actors need of a database, and what they may rely on.

Every implementation passes `tests/contract/test_store_*.py`. The rules:

* `commit` is one compare-and-set per order: it applies only where `seq`, `revision` and the
  fields that the rules read are still as `before` says and the stored epoch is not above the
  caller's. It never does half of a change set. The order that a supplement makes, under the id
  of its entry, is there once `commit` reported it as applied; where an owner died before, once
  `neighbours` was asked of its source, or its outcome was relayed.
* What `commit` reported as applied is durable (majority and journaled, or fsynced).
* Applied outcomes are readable at once through `log_page` and `evidence` + the committer's
  ledger, whether or not `relay` ran.
* Driver errors become `StoreUnavailable` (nothing sent that changes data) or
  `OutcomeUnknown` (sent, not answered) in the adapter, nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from actors.domain.commit import ChangeSet, CommitResult, StoredOrder
    from actors.domain.evidence import Evidence, EvidenceQuery, Outcome
    from actors.domain.model import Epoch, Neighbours, WorkOrderId
    from actors.store.archive import Archive
    from actors.store.jobs import Inbox
    from actors.store.quantities import Statistics
    from actors.store.records import Records


SEARCHED_ENTRIES: Final = 10_000
"""Of the log, the newest, that are looked at for what has no index."""
BARCODE_ENTRIES: Final = 1_000
"""The newest of a barcode whose orders are listed."""


MAX_WHOLE: Final = 4_000
"""Entries with barcodes, of one order, that are read at once for its actor to remember."""

EXCLUSIVE_S: Final = 60.0
"""After which `Store.exclusive` ends, also for an owner that is not done; longer than a shard waits
for another owner when its own is gone, which is kept from its orders by then."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """One page of an order's log, newest first; `since` and `until` are aware and inclusive."""

    work_order_id: WorkOrderId
    page: int = 1
    page_size: int = 20
    change_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    max_bytes: int | None = None
    """Of the entries together: a page ends early, after its first entry at the earliest."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Log documents under the shared schema's field names, ids as text, datetimes aware."""

    total: int
    logs: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class OperationQuery:
    """The newest operations of an order that stand behind some counts, the newest first."""

    work_order_id: WorkOrderId
    first: int = 0
    """Of the counts, the lowest seq; 0 for operations before any count."""
    last: int | None = None
    """The highest one; None without a bound."""
    limit: int = 100

    def has(self, seq: int) -> bool:
        """Return whether operations behind the count with this seq are meant."""
        return self.first <= seq and (self.last is None or seq <= self.last)


class Trait(StrEnum):
    """By what else an order is found, and where that is looked for.

    A barcode is looked for in all of the log, by its index. Key and operator have none: they are
    looked for among the newest `SEARCHED_ENTRIES` of the log.
    """

    PART = "part"
    """A part of its number, wherever in it; as it is typed, or in capitals."""
    BARCODE = "barcode"
    KEY = "key"
    OPERATOR = "operator"
    """An id or a name, as the log has it."""


@dataclass(frozen=True, slots=True)
class Found:
    """Orders as `detail` shows them, by the log those that have the newest entries first."""

    orders: tuple[Mapping[str, Any], ...]
    all_searched: bool
    """Whether there can be no others."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who took an epoch, and where that node is reached: "" if an earlier release took it."""

    epoch: Epoch
    node: str
    url: str


class Store(Protocol):
    """The database behind the actors. All coroutines may raise `StoreUnavailable`."""

    name: str
    """"mongodb" or "sqlite", as `/health` shows it."""

    @property
    def inbox(self) -> Inbox:
        """Return the waiting work that is kept beside the orders."""
        ...

    @property
    def records(self) -> Records:
        """Return what is kept for operators beside the orders."""
        ...

    @property
    def statistics(self) -> Statistics:
        """Return what sums up the log."""
        ...

    @property
    def archive(self) -> Archive:
        """Return what moves old entries out of the log, and back."""
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

    async def claim_epoch(self, node: str, *, above: int = 0, url: str = "") -> Epoch:
        """Take the next epoch, durably; higher than every one given before, and than `above`.

        From then on no write of a lower epoch changes a waiting or failed job, or a pause.

        An order may carry a higher epoch than was ever claimed here: where a backup brought the
        orders back and not the count.
        """
        ...

    async def claim(self) -> Claim | None:
        """Return who claimed the highest epoch, None before the first."""
        ...

    async def epoch(self) -> Epoch:
        """Return the highest epoch claimed so far, 0 when none."""
        ...

    async def cluster_secret(self, fresh: str) -> str:
        """Return the secret that all nodes of this store share.

        Where none is kept yet, or what is kept is no text, `fresh` is, durably: of several that
        ask at once all are given the same. Raises `OutcomeUnknown`.
        """
        ...

    async def load(self, ids: Sequence[WorkOrderId]) -> list[StoredOrder | None]:
        """Read orders, durable state only, in the order of `ids`."""
        ...

    async def evidence(self, queries: Sequence[EvidenceQuery]) -> list[Evidence]:
        """Ask the log, in the order of `queries`.

        Where all barcodes of an order are asked for, and it has at most `MAX_WHOLE` entries with
        one, the answer has all of them and is `whole`.
        """
        ...

    async def commit(self, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        """Compare-and-set each order; raises `OutcomeUnknown` when any answer is missing.

        The same change sets may be given again until they are settled: one that was applied
        before answers `Committed`. One that the database refuses for good (a validator, a
        size) answers `StoreRejected`, as a result, so that it fails alone.
        """
        ...

    async def invalidate(self, epoch: Epoch, order: StoredOrder) -> None:
        """Advance `revision` where seq and turn are still `order`'s, changing nothing else.

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
        """Return at most `limit` orders whose outbox is not empty."""
        ...

    async def detail(self, order_id: WorkOrderId) -> Mapping[str, Any] | None:
        """Return the order under the shared schema's field names, for `detail/:id`."""
        ...

    async def neighbours(self, order_id: WorkOrderId) -> Neighbours | None:
        """Return what the order shares with others, and how these are; None for an unknown one.

        Raises `OutcomeUnknown` where it had to make an order that was missing.
        """
        ...

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        """Have for oneself what owners of several shards share, such as a line; wait for it.

        It is given back in the end, or ends after `EXCLUSIVE_S` where its owner did, or left it by
        an `OutcomeUnknown`: what may still be done keeps others out. Raises `StoreUnavailable`
        where it can't be had. Without several shards it is had at once.
        """
        ...

    async def closable(self, order_id: WorkOrderId | None) -> list[WorkOrderId]:
        """Return orders to complete: `is_all_counted`, with supplements that `are_done`.

        With an `order_id` only it and its original are looked at, else all orders of this shard.
        """
        ...

    async def next_order(self, order_id: WorkOrderId) -> WorkOrderId | None:
        """Return the PENDING order of the same line and material that is to begin first.

        By `planStartTime`; None where there is none, in this shard.
        """
        ...

    async def search(self, text: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return at most `limit` orders whose id or number begins with `text`, as `detail` does.

        Those with the id come first, the others by number. A number is tried as it is typed and
        in capitals, an id from its first eight digits on. Without a `text`, those with the highest
        ids, which MongoDB's own are the newest by.
        """
        ...

    async def numbers(self, ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        """Return the numbers of orders, as far as there are orders, and they have numbers."""
        ...

    async def search_by(self, trait: Trait, text: str, limit: int) -> Found:
        """Return at most `limit` orders by what is not the beginning of their id or number."""
        ...

    async def log_page(self, query: LogQuery) -> LogPage:
        """Return a page of the log with outboxes merged in: all that was acknowledged."""
        ...

    async def operations(self, query: OperationQuery) -> Sequence[Mapping[str, Any]]:
        """Return operations as documents, ids as text, outboxes merged in, with their `seq`."""
        ...

    async def paused(self) -> bool:
        """Return whether processing is paused; survives restarts and changes of owner."""
        ...

    async def set_paused(self, epoch: Epoch, *, paused: bool) -> None:
        """Remember durably whether processing is paused.

        Raises:
            Overtaken: an epoch above `epoch` was claimed; what its owner reads is true.

        """
        ...

    async def insert_orders(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Add orders under the shared schema's names (`_id` as hex text); skip ids that exist.

        Returns the number added.
        """
        ...
