"""The Store on SQLite: one file, no server, the same promises.

SQLite has real transactions, so an order and its log entries are committed together and no
outbox is ever needed. All work on the file happens in threads of its own: a call of the port is
one function that runs there, and the event loop never waits for a disk. What updates need has
one thread, what readers ask for has others.
"""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from actors.domain.model import Epoch
from actors.runtime.slices import in_slices
from actors.store.port import Claim, LogPage
from actors.store.sqlite import commit, families, reads, search
from actors.store.sqlite.archive import SqliteArchive
from actors.store.sqlite.file import SqliteFile
from actors.store.sqlite.inbox import SqliteInbox, check_epoch
from actors.store.sqlite.records import SqliteRecords
from actors.store.sqlite.rows import read_order, to_text
from actors.store.sqlite.statistics import SqliteStatistics
from actors.store.sqlite.threads import SqliteThreads

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from actors.domain.commit import ChangeSet, CommitResult, StoredOrder
    from actors.domain.evidence import Evidence, EvidenceQuery, Outcome
    from actors.domain.model import Neighbours, WorkOrderId
    from actors.store.archive import Archive
    from actors.store.jobs import Inbox
    from actors.store.port import Found, LogQuery, OperationQuery, Trait
    from actors.store.quantities import Statistics
    from actors.store.records import Records

FILE_NAME: Final = "work-orders.sqlite3"
"""The file's name in the folder of data."""

_SET_STATE: Final = (
    "INSERT INTO state (name, value, note) VALUES (?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value, note = excluded.note"
)
_CLAIM: Final = "SELECT name, value, note FROM state WHERE name IN ('epoch', 'epoch_url')"


class SqliteStore:
    """Keep orders and logs in the SQLite file at `path`, which is made when missing.

    Several processes may use one file; a lock held by another one for longer than
    `timeout_s` makes a call fail with `StoreUnavailable`.
    """

    name = "sqlite"

    def __init__(self, path: Path, *, timeout_s: float = 5.0) -> None:
        self._file = SqliteFile(path, timeout_s)
        self._threads = SqliteThreads(self._file)
        self.inbox: Inbox = SqliteInbox(self._file, self._threads)
        self.records: Records = SqliteRecords(self._file, self._threads)
        self.statistics: Statistics = SqliteStatistics(self._file, self._threads)
        self.archive: Archive = SqliteArchive(self._file, self._threads)

    async def open(self) -> None:
        """Make or check the file; raises `StartupError`."""
        await self._threads.open()

    async def close(self) -> None:
        """Finish what is under way and close the file. Idempotent."""
        await self._threads.close()

    async def ping(self) -> None:
        """Return when a write has reached the disk."""

        def work() -> None:
            with self._file.writing() as db:
                db.execute(_SET_STATE, ("ping", int(time.time()), None))

        await self._threads.run(work)

    async def claim_epoch(self, node: str, *, above: int = 0, url: str = "") -> Epoch:
        """Take the next epoch, durably; higher than every one given before, and than `above`."""

        def work() -> Epoch:
            with self._file.writing() as db:
                epoch = max(_state(db, "epoch"), above) + 1
                db.execute(_SET_STATE, ("epoch", epoch, node))
                db.execute(_SET_STATE, ("epoch_url", epoch, url))
            return Epoch(epoch)

        return await self._threads.run(work)

    async def claim(self) -> Claim | None:
        """Return who claimed the highest epoch, None before the first."""

        def work() -> Claim | None:
            with self._file.reading() as db:
                rows = {name: (epoch, note) for name, epoch, note in db.execute(_CLAIM)}
            if "epoch" not in rows:
                return None
            epoch, node = rows["epoch"]
            # With its epoch: an earlier release leaves it as it is.
            known, url = rows.get("epoch_url", (0, ""))
            return Claim(Epoch(epoch), node, url if known == epoch else "")

        return await self._threads.run(work)

    async def epoch(self) -> Epoch:
        """Return the highest epoch claimed so far, 0 when none."""

        def work() -> Epoch:
            with self._file.reading() as db:
                return Epoch(_state(db, "epoch"))

        return await self._threads.run(work)

    async def cluster_secret(self, fresh: str) -> str:
        """Return the secret that all nodes of this file share; keep `fresh` where there is none."""

        def work() -> str:
            with self._file.reading() as db:
                kept = _kept_secret(db)
            if kept:
                return kept
            with self._file.writing() as db:
                kept = _kept_secret(db) or fresh
                db.execute(_SET_STATE, ("cluster_secret", 0, kept))
            return kept

        return await self._threads.run(work)

    async def load(self, ids: Sequence[WorkOrderId]) -> list[StoredOrder | None]:
        """Read orders, in the order of `ids`."""

        def work() -> list[StoredOrder | None]:
            with self._file.reading() as db:
                rows = [read_order(db, each) for each in ids]
                return [None if row is None else row.order(db) for row in rows]

        return await self._threads.run(work)

    async def evidence(self, queries: Sequence[EvidenceQuery]) -> list[Evidence]:
        """Ask the log, in the order of `queries`."""

        def work() -> list[Evidence]:
            with self._file.reading() as db:
                return [reads.read_evidence(db, each) for each in queries]

        return await self._threads.run(work)

    async def commit(self, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        """Compare-and-set each order and add its log, all in one transaction."""
        return await self._threads.run(lambda: commit.commit(self._file, epoch, changes))

    async def invalidate(self, epoch: Epoch, order: StoredOrder) -> None:
        """Advance `revision` where seq and turn are still `order`'s, changing nothing else."""
        await self._threads.run(lambda: commit.invalidate(self._file, epoch, order))

    async def relay(self, outcomes: Sequence[Outcome]) -> None:
        """Make sure that outcomes are in the log: commits put them there."""
        await self._threads.run(lambda: commit.relay(self._file, outcomes))

    async def trim(self, epoch: Epoch, orders: Sequence[StoredOrder]) -> None:
        """Do nothing: no order here has an outbox."""

    async def dirty(self, limit: int) -> list[WorkOrderId]:  # noqa: ARG002 the port's
        """Return no order: none has an outbox."""
        return []

    async def detail(self, order_id: WorkOrderId) -> Mapping[str, Any] | None:
        """Return the order under the shared schema's field names, for `detail/:id`."""
        return await self._threads.read(lambda db: reads.read_detail(db, order_id))

    async def neighbours(self, order_id: WorkOrderId) -> Neighbours | None:
        """Read what the order shares with others, and how these are."""
        return await self._threads.read(lambda db: families.read_neighbours(db, order_id))

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 -- the port's
        """Have it at once: here all orders have one owner."""
        return nullcontext()

    async def closable(self, order_id: WorkOrderId | None) -> list[WorkOrderId]:
        """Find originals whose supplements are all done."""
        return await self._threads.read(lambda db: families.read_closable(db, order_id))

    async def next_order(self, order_id: WorkOrderId) -> WorkOrderId | None:
        """Find the order that is next on a line."""
        return await self._threads.read(lambda db: families.read_next_order(db, order_id))

    async def search(self, text: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """Find orders by the beginning of their id or number."""
        return await self._threads.read(lambda db: search.search(db, text, limit))

    async def numbers(self, ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        """Return the numbers of orders."""
        return await self._threads.read(lambda db: search.numbers(db, ids))

    async def search_by(self, trait: Trait, text: str, limit: int) -> Found:
        """Find orders by a part of their number, or by what their log has."""
        return await self._threads.read(lambda db: search.search_by(db, trait, text, limit))

    async def log_page(self, query: LogQuery) -> LogPage:
        """Return a page of the log."""
        total, texts = await self._threads.read(lambda db: reads.read_log_page(db, query))
        return LogPage(total, tuple(await in_slices(reads.log_row_of, texts)))

    async def operations(self, query: OperationQuery) -> Sequence[Mapping[str, Any]]:
        """Return operations, the newest first."""
        return await self._threads.read(lambda db: reads.read_operations(db, query))

    async def paused(self) -> bool:
        """Return whether processing is paused."""

        def work() -> bool:
            with self._file.reading() as db:
                return bool(_state(db, "paused"))

        return await self._threads.run(work)

    async def set_paused(self, epoch: Epoch, *, paused: bool) -> None:
        """Remember durably whether processing is paused."""

        def work() -> None:
            with self._file.writing() as db:
                check_epoch(db, epoch)
                db.execute(_SET_STATE, ("paused", int(paused), None))

        await self._threads.run(work)

    async def insert_orders(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Add orders under the shared schema's names; skip ids that exist."""
        rows = [
            (order_id, to_text({**document, "_id": order_id}))
            for document in documents
            for order_id in (str(document["_id"]).lower(),)
        ]

        def work() -> int:
            with self._file.writing() as db:
                return db.executemany(
                    "INSERT INTO orders (id, document) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
                    rows,
                ).rowcount

        return await self._threads.run(work)


def _kept_secret(db: sqlite3.Connection) -> str:
    row = db.execute("SELECT note FROM state WHERE name = 'cluster_secret'").fetchone()
    return "" if row is None else row[0] or ""


def _state(db: sqlite3.Connection, name: str) -> int:
    row = db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
    return 0 if row is None else int(row[0])
