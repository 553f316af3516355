"""Moving entries of orders that ended from the log to the archive of SQLite, and back.

An entry leaves the one and enters the other in one transaction, so that whoever reads both sees
it once. Transactions are small: those of updates come in between.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson

from actors.errors import StoreRejected
from actors.store.archive import ENDED, Moved
from actors.store.schema import RESTORED
from actors.store.sqlite.file import LOG_COLUMNS
from actors.store.sqlite.rows import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.domain.model import WorkOrderId
    from actors.store.sqlite.file import SqliteFile
    from actors.store.sqlite.threads import SqliteThreads

_AT_ONCE: Final = 1_000
"""Entries that one transaction moves."""
_OLDEST: Final = (
    "SELECT work_order_id, operate_time FROM logs WHERE operate_time >= ? AND operate_time < ?"
    " ORDER BY operate_time"
)
_STATUS: Final = "SELECT json_extract(document, '$.status') FROM orders WHERE id = ?"
_AGE: Final = (
    f"SELECT count(*), max(operate_time), max(json_extract(document, '$.{RESTORED}'))"  # noqa: S608 constants
    " FROM logs WHERE work_order_id = ?"
)
_SOME: Final = "SELECT id FROM {} WHERE work_order_id = ? LIMIT ?"
_ARCHIVED: Final = "SELECT work_order_id FROM logs_archive {} LIMIT 1"
_KEPT: Final = "SELECT count(DISTINCT work_order_id), count(*) FROM logs_archive {}"
_COPY: Final = f"INSERT INTO {{}} ({LOG_COLUMNS}) SELECT {{}} FROM {{}} WHERE id = ?"  # noqa: S608 the same
_CAME_BACK: Final = LOG_COLUMNS.replace("document", f"json_set(document, '$.{RESTORED}', {{}})")


class SqliteArchive:
    """Implements `actors.store.archive.Archive`."""

    def __init__(self, file: SqliteFile, threads: SqliteThreads) -> None:
        self._file, self._threads = file, threads
        self._seen = 0
        """Up to when this pass through the log has come, in microseconds."""

    async def old(self, before: datetime) -> Moved:
        """Look through the log."""

        def work(db: sqlite3.Connection) -> Moved:
            counts = [count for _, _, count in _ended(db, 0, microseconds(before))]
            return Moved(len(counts), sum(counts))

        return await self._threads.read(work)

    async def move(self, before: datetime) -> Moved | None:
        """Find some orders, and move one after the other."""
        since, until = self._seen, microseconds(before)

        def find(db: sqlite3.Connection) -> list[tuple[WorkOrderId, int]]:
            found, entries = [], 0
            for order_id, at, count in _ended(db, since, until):
                found.append((order_id, at))
                entries += count
                if entries >= _AT_ONCE:
                    break
            return found

        found = await self._threads.read(find)
        self._seen = found[-1][1] if found else 0
        moved = Moved()
        for order_id, _ in found:
            moved += await self._move_order(order_id, until)
        return moved if found else None

    async def kept(self, order_ids: Sequence[WorkOrderId] | None = None) -> Moved:
        """Count."""
        named, values = _named(order_ids)
        return Moved(
            *await self._threads.read(lambda db: db.execute(_KEPT.format(named), values).fetchone())
        )

    async def restore(self, order_ids: Sequence[WorkOrderId] | None = None) -> Moved | None:
        """Bring the entries of one order back."""
        named, values = _named(order_ids)

        def find(db: sqlite3.Connection) -> WorkOrderId | None:
            row = db.execute(_ARCHIVED.format(named), values).fetchone()
            return None if row is None else row[0]

        order_id = await self._threads.read(find)
        if order_id is None:
            return None
        now, count = microseconds(datetime.now(UTC)), 0
        while some := await self._threads.run(lambda: self._restore_some(order_id, now)):
            count += some
        return Moved(1, count)

    async def _move_order(self, order_id: WorkOrderId, until: int) -> Moved:
        count = 0
        while some := await self._threads.run(lambda: self._move_some(order_id, until)):
            count += some
        return Moved(1 if count else 0, count)

    def _move_some(self, order_id: WorkOrderId, until: int) -> int:
        with self._file.writing() as db:
            if not _entries_of_ended(db, order_id, until):
                return 0
            return _transfer(db, order_id, "logs", "logs_archive", LOG_COLUMNS)

    def _restore_some(self, order_id: WorkOrderId, now: int) -> int:
        try:
            with self._file.writing() as db:
                return _transfer(db, order_id, "logs_archive", "logs", _CAME_BACK.format(now))
        except sqlite3.IntegrityError as error:
            raise StoreRejected(f"the log of work order {order_id}: {error}") from error


def _named(order_ids: Sequence[WorkOrderId] | None) -> tuple[str, list[str]]:
    """Return the condition of rows of these orders, and its values; none for all orders."""
    if order_ids is None:
        return "", []
    ids = orjson.dumps(list(order_ids)).decode()
    return "WHERE work_order_id IN (SELECT value FROM json_each(?))", [ids]


def _ended(
    db: sqlite3.Connection, since: int, until: int
) -> Iterator[tuple[WorkOrderId, int, int]]:
    """Find orders to move, by the oldest entries first; with that one's time, and the number."""
    known = set()
    for order_id, at in db.execute(_OLDEST, (since, until)):
        if order_id not in known:
            known.add(order_id)
            if count := _entries_of_ended(db, order_id, until):
                yield order_id, at, count


def _entries_of_ended(db: sqlite3.Connection, order_id: WorkOrderId, until: int) -> int:
    """Return how many entries an order has in the log; 0 where they are not to be moved."""
    status = db.execute(_STATUS, (order_id,)).fetchone()
    if status is None or status[0] not in ENDED:
        return 0
    count, newest, restored = db.execute(_AGE, (order_id,)).fetchone()
    return count if max(newest or 0, restored or 0) < until else 0


def _transfer(
    db: sqlite3.Connection, order_id: WorkOrderId, source: str, to: str, columns: str
) -> int:
    ids = db.execute(_SOME.format(source), (order_id, _AT_ONCE)).fetchall()
    db.executemany(_COPY.format(to, columns, source), ids)
    db.executemany(f"DELETE FROM {source} WHERE id = ?", ids)  # noqa: S608 constants
    return len(ids)
