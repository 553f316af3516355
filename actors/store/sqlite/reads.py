"""What readers ask of SQLite: evidence for decisions, pages of the log, an order's details."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from actors.domain.evidence import MOST_MOVES, Evidence, Move
from actors.domain.model import MAX_QUANTITY, LogPosition
from actors.store.contexts import request_key
from actors.store.documents import change_type_from, outcome_from
from actors.store.pages import within
from actors.store.port import MAX_WHOLE
from actors.store.sqlite.file import LOG_TABLES
from actors.store.sqlite.rows import log_document, microseconds, read_material, time_at
from actors.store.values import number_from
from actors.store.views import detail_row, log_row, operation_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from actors.domain.evidence import EvidenceQuery, Outcome
    from actors.domain.model import WorkOrderId
    from actors.store.port import LogQuery, OperationQuery


# One value a statement, not a JSON list of them: SQLite ends a text in JSON at a NUL.
# Entries without seq are older than outcomes.
_BY_KEY: Final = (
    "SELECT document FROM logs WHERE request_key = :value AND seq IS NOT NULL"
    " UNION ALL SELECT document FROM logs_archive WHERE request_key = :value AND seq IS NOT NULL"
    " UNION ALL SELECT document FROM operations WHERE request_key = :value"
    " UNION ALL SELECT document FROM refusals WHERE request_key = :value"
)
_BY_JOB: Final = (
    "SELECT document FROM all_logs WHERE id = :value AND seq IS NOT NULL"
    " UNION ALL SELECT document FROM operations WHERE id = :value"
    " UNION ALL SELECT document FROM refusals WHERE id = :value"
)
_MOVES: Final = (
    "SELECT related_barcode, counts_as, process_step_id, seq, operate_time, id, change_type, asked,"
    " json_extract(document, '$.changeQuantity') FROM {} WHERE work_order_id = ?"
)
# Of each alone: to merge them costs more than to ask one that has nothing.
_BY_BARCODE: Final = [
    f"{_MOVES.format(each)} AND related_barcode = ? ORDER BY operate_time DESC LIMIT ?"
    for each in LOG_TABLES
]
_WITH_BARCODE: Final = f"{_MOVES.format('all_logs')} AND related_barcode > '' LIMIT ?"

_OPERATIONS: Final = (
    "SELECT document FROM operations WHERE work_order_id = ?"
    " AND json_extract(document, '$.planServer.seq') BETWEEN ? AND ?"
    " ORDER BY operated_at DESC, id DESC LIMIT ?"
)


def read_evidence(db: sqlite3.Connection, query: EvidenceQuery) -> Evidence:
    """Do `Store.evidence` for one order."""
    evidence = Evidence()
    for request_id in query.request_ids:
        for outcome in _outcomes(db, _BY_KEY, request_key(query.work_order_id, request_id)):
            evidence.by_request[request_id] = outcome
    for job_id in query.job_ids:
        for outcome in _outcomes(db, _BY_JOB, job_id):
            if outcome.work_order_id == query.work_order_id:
                evidence.by_job[outcome.change.job_id] = outcome
    if query.whole:
        rows = db.execute(_WITH_BARCODE, (query.work_order_id, MAX_WHOLE + 1)).fetchall()
        evidence.whole = len(rows) <= MAX_WHOLE
        if evidence.whole:
            _note_moves(rows, evidence)
            return evidence
    for barcode in query.barcodes:
        for newest in _BY_BARCODE:
            rows = db.execute(newest, (query.work_order_id, barcode, MOST_MOVES)).fetchall()
            _note_moves(rows, evidence)
    return evidence


def _outcomes(db: sqlite3.Connection, statement: str, value: str) -> list[Outcome]:
    rows = db.execute(statement, {"value": value})
    return [outcome_from(log_document(text)) for (text,) in rows]


def _note_moves(rows: Iterable[tuple[Any, ...]], evidence: Evidence) -> None:
    for barcode, counts_as, step, seq, at, entry_id, type_, asked, applied in rows:
        position = LogPosition(seq or 0, time_at(at), entry_id)
        moves, moved = change_type_from(type_), number_from(applied) or 0
        if moves is not None:
            wanted = number_from(asked)
            move = Move(position, moves, moved if wanted is None else wanted, moved)
            evidence.note_move(barcode, move)
        if counts_as == "scan":
            evidence.note_scan(barcode, step, position)
        elif counts_as == "unbind":
            evidence.note_unbind(barcode, position)


def read_log_page(db: sqlite3.Connection, query: LogQuery) -> tuple[int, list[str]]:
    """Return how many entries fit, and the texts of the page; those without a time come last.

    What the texts mean is found out later: a snapshot that lasts keeps the write-ahead log long.
    """
    clauses, values = _filters(query)
    where = " AND ".join(clauses)
    counts = " + ".join(f"(SELECT count(*) FROM {each} WHERE {where})" for each in LOG_TABLES)  # noqa: S608 constants
    (total,) = db.execute(f"SELECT {counts}", values * len(LOG_TABLES)).fetchone()
    skipped = (query.page - 1) * query.page_size
    if skipped >= total:
        return total, []
    rows = db.execute(
        f"SELECT document, operate_time, seq, id FROM all_logs WHERE {where}"  # noqa: S608 constants
        " ORDER BY operate_time DESC, seq DESC, id DESC LIMIT ? OFFSET ?",
        (*values, query.page_size, skipped),
    )
    return total, list(within((text for text, *_ in rows), query.max_bytes))


def read_operations(db: sqlite3.Connection, query: OperationQuery) -> list[Mapping[str, Any]]:
    """Do `Store.operations`."""
    last = MAX_QUANTITY if query.last is None else query.last
    rows = db.execute(_OPERATIONS, (query.work_order_id, query.first, last, query.limit))
    return [operation_row(log_document(text)) for (text,) in rows]


def log_row_of(text: str) -> Mapping[str, Any]:
    """Return an entry as `Store.log_page` shows it."""
    return log_row(log_document(text))


def _filters(query: LogQuery) -> tuple[list[str], list[str | int]]:
    clauses, values = ["work_order_id = ?"], list[str | int]([query.work_order_id])
    if query.change_type is not None:
        clauses.append("change_type = ?")
        values.append(query.change_type)
    if query.since is not None:
        clauses.append("operate_time >= ?")
        values.append(microseconds(query.since))
    if query.until is not None:
        clauses.append("operate_time <= ?")
        values.append(microseconds(query.until))
    return clauses, values


def read_detail(db: sqlite3.Connection, order_id: WorkOrderId) -> Mapping[str, Any] | None:
    """Do `Store.detail`."""
    row = db.execute("SELECT document FROM orders WHERE id = ?", (order_id,)).fetchone()
    if row is None:
        return None
    document = orjson.loads(row[0])
    return detail_row(document, read_material(db, document))
