"""Orders of SQLite that belong together: on a line, in a production order, made for scrap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from actors.domain.model import Beside, Neighbours, Status
from actors.domain.operations import are_done, is_all_counted
from actors.store.documents import order_from
from actors.store.schema import LINE, OURS, PLAN, PRODUCTION_ORDER
from actors.store.sqlite.rows import to_text
from actors.store.supplements import NUMBER, ORIGINAL, numbers_for, supplement_document
from actors.store.values import number_from

if TYPE_CHECKING:
    import sqlite3

    from actors.domain.model import Number, OperationEntry, WorkOrderId


def _field(name: str) -> str:
    return f"json_extract(document, '$.{name}')"


_ORIGINAL: Final = _field(ORIGINAL)
_STATUS: Final = _field("status")
_START: Final = _field("planStartTime")
_SHARED_BY: Final = f"SELECT {_field(LINE)}, {_field(PRODUCTION_ORDER)} FROM orders WHERE id = ?"  # noqa: S608
_BUSY: Final = (
    f"SELECT EXISTS (SELECT 1 FROM orders WHERE {_field(LINE)} = ? AND id <> ?"  # noqa: S608
    f" AND {_STATUS} = 'IN_PROGRESS')"
)
_PLANS: Final = (
    f"SELECT {_field(PLAN)} FROM orders WHERE {_field(PRODUCTION_ORDER)} = ? AND id <> ?"  # noqa: S608
)
_MADE: Final = (
    f"SELECT {_field('supplementQuantity')} FROM orders"  # noqa: S608
    f" WHERE {_ORIGINAL} = ? AND {_STATUS} IS NOT '{Status.CANCELLED}'"
)
_ORIGINALS: Final = (
    f"SELECT DISTINCT {_ORIGINAL} FROM orders"  # noqa: S608
    f" WHERE {_ORIGINAL} IS NOT NULL AND {_STATUS} = '{Status.COMPLETED}'"
)
_STATUSES: Final = f"SELECT {_STATUS} FROM orders WHERE {_ORIGINAL} = ?"  # noqa: S608
_NUMBERED: Final = f"SELECT 1 FROM orders WHERE {_field(NUMBER)} = ?"  # noqa: S608
_NEXT: Final = (
    "SELECT other.id FROM orders AS mine, orders AS other WHERE mine.id = ?"  # noqa: S608
    f" AND json_extract(mine.document, '$.{LINE}') = json_extract(other.document, '$.{LINE}')"
    " AND json_extract(mine.document, '$.materialId')"
    " = json_extract(other.document, '$.materialId')"
    f" AND json_extract(other.document, '$.status') = '{Status.PENDING}'"
    " AND json_extract(other.document, '$.planStartTime') IS NOT NULL"
    " ORDER BY json_extract(other.document, '$.planStartTime'), other.id LIMIT 1"
)


def read_neighbours(db: sqlite3.Connection, order_id: WorkOrderId) -> Neighbours | None:
    """Do `Store.neighbours`; lines and production orders have no index here, and few orders."""
    row = db.execute(_SHARED_BY, (order_id,)).fetchone()
    if row is None:
        return None
    line, shared = row
    (busy,) = db.execute(_BUSY, (line, order_id)).fetchone()
    planned = _sum(db, _PLANS, shared, order_id)
    return Neighbours(line, shared, Beside(bool(busy), planned, _sum(db, _MADE, order_id)))


def _sum(db: sqlite3.Connection, statement: str, *values: object) -> Number:
    return sum((number_from(each) or 0 for (each,) in db.execute(statement, values)), start=0)


def insert_supplement(
    db: sqlite3.Connection, source: dict[str, Any], entry: OperationEntry
) -> None:
    """Add the order that an entry makes."""
    for number in numbers_for(source):
        if db.execute(_NUMBERED, (number,)).fetchone() is None:
            document = supplement_document(source, entry, number)
            db.execute(
                "INSERT INTO orders (id, document) VALUES (?, ?)",
                (document["_id"], to_text(document)),
            )
            return


def read_closable(db: sqlite3.Connection, order_id: WorkOrderId | None) -> list[WorkOrderId]:
    """Do `Store.closable`."""
    if order_id is None:
        asked = [original for (original,) in db.execute(_ORIGINALS)]
    else:
        row = db.execute(f"SELECT {_ORIGINAL} FROM orders WHERE id = ?", (order_id,)).fetchone()  # noqa: S608
        asked = [order_id] if row is None else [order_id, *row]
    return [each for each in asked if _is_closable(db, each)]


def _is_closable(db: sqlite3.Connection, order_id: object) -> bool:
    row = db.execute("SELECT document FROM orders WHERE id = ?", (order_id,)).fetchone()
    if row is None:
        return False
    state = order_from({**orjson.loads(row[0]), OURS: None}, None, 0).state
    return is_all_counted(state) and are_done(
        status for (status,) in db.execute(_STATUSES, (order_id,))
    )


def read_next_order(db: sqlite3.Connection, order_id: WorkOrderId) -> WorkOrderId | None:
    """Do `Store.next_order`."""
    row = db.execute(_NEXT, (order_id,)).fetchone()
    return None if row is None else row[0]
