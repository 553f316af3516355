"""What readers ask of SQLite: evidence for decisions, pages of the log, an order's details."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from actors.domain.evidence import Evidence
from actors.domain.model import LogPosition
from actors.store.documents import outcome_from, request_key
from actors.store.pages import within
from actors.store.port import MAX_HISTORY
from actors.store.sqlite.rows import log_document, microseconds, read_material, time_at
from actors.store.views import detail_row, log_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from actors.domain.evidence import EvidenceQuery, Outcome
    from actors.domain.model import WorkOrderId
    from actors.store.port import LogQuery


# One value a statement, not a JSON list of them: SQLite ends a text in JSON at a NUL.
# Entries without seq are older than outcomes.
_BY_KEY: Final = (
    "SELECT document FROM logs WHERE request_key = ?1 AND seq IS NOT NULL"
    " UNION ALL SELECT document FROM refusals WHERE request_key = ?1"
)
_BY_JOB: Final = (
    "SELECT document FROM logs WHERE id = ?1 AND seq IS NOT NULL"
    " UNION ALL SELECT document FROM refusals WHERE id = ?1"
)
_BY_BARCODE: Final = (
    "SELECT counts_as, process_step_id, seq, operate_time, id FROM logs"
    " WHERE work_order_id = ? AND related_barcode = ? AND counts_as IS NOT NULL"
    " ORDER BY operate_time DESC LIMIT ?"
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
    for barcode in query.barcodes:
        _note_barcode(db, query.work_order_id, barcode, evidence)
    return evidence


def _outcomes(db: sqlite3.Connection, statement: str, value: str) -> list[Outcome]:
    return [outcome_from(log_document(text)) for (text,) in db.execute(statement, (value,))]


def _note_barcode(
    db: sqlite3.Connection, order_id: WorkOrderId, barcode: str, evidence: Evidence
) -> None:
    rows = db.execute(_BY_BARCODE, (order_id, barcode, MAX_HISTORY))
    for counts_as, step, seq, at, entry_id in rows:
        position = LogPosition(seq or 0, time_at(at), entry_id)
        if counts_as == "scan":
            evidence.note_scan(barcode, step, position)
        else:
            evidence.note_unbind(barcode, position)


def read_log_page(db: sqlite3.Connection, query: LogQuery) -> tuple[int, list[str]]:
    """Return how many entries fit, and the texts of the page; those without a time come last.

    What the texts mean is found out later: a snapshot that lasts keeps the write-ahead log long.
    """
    clauses, values = _filters(query)
    where = " AND ".join(clauses)
    (total,) = db.execute(f"SELECT count(*) FROM logs WHERE {where}", values).fetchone()  # noqa: S608
    skipped = (query.page - 1) * query.page_size
    if skipped >= total:
        return total, []
    rows = db.execute(
        f"SELECT document FROM logs WHERE {where}"  # noqa: S608 made of constants
        " ORDER BY operate_time DESC, seq DESC, id DESC LIMIT ? OFFSET ?",
        (*values, query.page_size, skipped),
    )
    return total, list(within((text for (text,) in rows), query.max_bytes))


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
