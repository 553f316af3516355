"""Orders, log entries and refusals as rows: JSON documents beside the columns searched by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import orjson

from actors.domain.evidence import Refusal
from actors.domain.model import LogEntry, OperationEntry
from actors.store.contexts import request_key
from actors.store.documents import (
    entry_document,
    is_same,
    order_from,
    outcome_from,
    refusal_document,
)
from actors.store.operations import operation_document
from actors.store.rollups import late_hours
from actors.store.schema import OURS
from actors.store.sqlite.file import LOG_COLUMNS
from actors.store.values import id_from, time_from

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from actors.domain.commit import StoredOrder
    from actors.domain.evidence import Outcome
    from actors.domain.model import WorkOrderId

_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MS: Final = 1_000
"""Microseconds, as the column counts."""
_OPERATE_TIME: Final = 3
"""Its place in a row of `entry_row`."""
_LOG_TIMES: Final = ("operateTime", "createdAt", "updatedAt", "refusedAt", "operatedAt")


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as it is in its table, and the highest seq in its log."""

    document: dict[str, Any]
    log_seq: int

    def order(self, db: sqlite3.Connection) -> StoredOrder:
        """Read what it means, with what it borrows from its material."""
        return order_from(self.document, read_material(db, self.document), self.log_seq)


def to_text(document: Mapping[str, Any]) -> str:
    """Encode a document; raises TypeError for what JSON cannot hold."""
    return orjson.dumps(document, default=str).decode()


def log_document(text: str) -> dict[str, Any]:
    """Decode a log entry or refusal, its times too."""
    document: dict[str, Any] = orjson.loads(text)
    for name in _LOG_TIMES:
        if name in document:
            document[name] = time_from(document[name]) or document[name]
    return document


def microseconds(at: datetime) -> int:
    """Return an aware time as the log's column has it."""
    return (at - _START) // _MICROSECOND


def time_at(since_start: int | None) -> datetime:
    """Read the log's column; entries without a time count as the oldest."""
    return _START + timedelta(microseconds=since_start or 0)


def read_order(db: sqlite3.Connection, order_id: WorkOrderId) -> OrderRow | None:
    """Read one order."""
    row = db.execute(
        "SELECT document, max("
        "coalesce((SELECT max(seq) FROM logs WHERE work_order_id = orders.id), 0),"
        " coalesce((SELECT max(seq) FROM logs_archive WHERE work_order_id = orders.id), 0))"
        " FROM orders WHERE id = ?",
        (order_id,),
    ).fetchone()
    return None if row is None else OrderRow(orjson.loads(row[0]), row[1])


def read_material(db: sqlite3.Connection, order: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the material of an order; None where it is not known."""
    row = db.execute(
        "SELECT document FROM materials WHERE id = ?", (id_from(order.get("materialId")),)
    ).fetchone()
    return None if row is None else orjson.loads(row[0])


def write_order(db: sqlite3.Connection, rows: Iterable[tuple[str, str]]) -> None:
    """Store (document text, id) of orders that exist."""
    db.executemany("UPDATE orders SET document = ? WHERE id = ?", rows)


def insert_entries(db: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows of `entry_row`; raises sqlite3.IntegrityError where id, seq or key is taken."""
    rows = list(rows)
    db.executemany(
        f"INSERT INTO logs ({LOG_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 constants
        rows,
    )
    times = (row[_OPERATE_TIME] // _MS for row in rows if row[_OPERATE_TIME] is not None)
    if late := late_hours(times, datetime.now(UTC)):
        mark_hours(db, late)


def mark_hours(db: sqlite3.Connection, hours: Iterable[int], mark: str | None = None) -> None:
    """Let hours, in milliseconds since 1970, be rolled up anew; each has a mark of its own."""
    db.executemany(
        "INSERT OR REPLACE INTO rollup_marks (hour, mark) VALUES (?, ?)",
        [(hour, mark or uuid4().hex) for hour in hours],
    )
    advance_stamp(db)


def advance_stamp(db: sqlite3.Connection) -> None:
    """Let what is rolled up just now, from what was there before, not be written."""
    db.execute(
        "INSERT INTO state (name, value) VALUES ('rollup_stamp', 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1"
    )


def insert_refusals(db: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows of `refusal_row`; raises sqlite3.IntegrityError where id or key is taken."""
    db.executemany(
        "INSERT INTO refusals (id, work_order_id, request_key, document) VALUES (?, ?, ?, ?)", rows
    )


def entry_row(entry: LogEntry) -> tuple[Any, ...]:
    """Return an entry's columns in the order of `insert_entries`."""
    document = entry_document(entry)
    return (
        entry.change.job_id,
        entry.work_order_id,
        entry.seq,
        microseconds(entry.operate_time),
        document["changeType"],
        document["relatedBarcode"],
        document["processStepId"],
        document[OURS].get("requestKey"),
        to_text(document),
    )


def insert_operations(db: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows of `operation_row`; raises sqlite3.IntegrityError where id or key is taken."""
    db.executemany(
        "INSERT INTO operations (id, work_order_id, operated_at, request_key, document)"
        " VALUES (?, ?, ?, ?, ?)",
        rows,
    )


def operation_row(entry: OperationEntry) -> tuple[Any, ...]:
    """Return an operation's columns in the order of `insert_operations`."""
    document = operation_document(entry)
    return (
        entry.change.job_id,
        entry.work_order_id,
        microseconds(entry.operated_at),
        document[OURS].get("requestKey"),
        to_text(document),
    )


def refusal_row(refusal: Refusal) -> tuple[Any, ...]:
    """Return a refusal's columns in the order of `insert_refusals`."""
    request_id = refusal.change.request_id
    return (
        refusal.change.job_id,
        refusal.work_order_id,
        None if request_id is None else request_key(refusal.work_order_id, request_id),
        to_text(refusal_document(refusal)),
    )


_TABLES: Final[Mapping[type[Outcome], str]] = {
    LogEntry: "all_logs",
    OperationEntry: "operations",
    Refusal: "refusals",
}


def is_stored(db: sqlite3.Connection, outcome: Outcome) -> bool:
    """Return whether this very outcome of its job is in its table."""
    table = _TABLES[type(outcome)]
    row = db.execute(
        f"SELECT document FROM {table} WHERE id = ? AND work_order_id = ?",  # noqa: S608 constants
        (outcome.change.job_id, outcome.work_order_id),
    ).fetchone()
    return row is not None and is_same(outcome_from(log_document(row[0])), outcome)
