"""Orders in SQLite found by their id or number, and by what their log has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from actors.store.port import BARCODE_ENTRIES, SEARCHED_ENTRIES, Found, Trait
from actors.store.sqlite.rows import read_material
from actors.store.values import text_from
from actors.store.views import detail_row, id_range, number_ranges

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from actors.domain.model import WorkOrderId

_NUMBER: Final = "json_extract(document, '$.workOrderNo')"
_NEWEST: Final = "SELECT document FROM orders ORDER BY id DESC LIMIT ?"
_BY_ID: Final = "SELECT document FROM orders WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?"
_ONE: Final = "SELECT document FROM orders WHERE id = ?"
_WITH_PART: Final = (
    "SELECT document FROM orders WHERE rowid IN (SELECT rowid FROM orders"  # noqa: S608 constants
    f" WHERE instr({_NUMBER}, ?) OR instr({_NUMBER}, ?) ORDER BY {_NUMBER} LIMIT ?)"
    f" ORDER BY {_NUMBER}"
)
_OF_BARCODE: Final = (
    "SELECT work_order_id, operate_time FROM all_logs WHERE related_barcode = ?"
    " ORDER BY operate_time DESC LIMIT ?"
)
_AMONG_THE_NEWEST: Final = (
    "SELECT work_order_id FROM"
    " (SELECT work_order_id, request_key, document, operate_time FROM all_logs"
    " ORDER BY operate_time DESC LIMIT :searched)"
    " WHERE "
)
_CONDITIONS: Final[Mapping[Trait, str]] = {
    Trait.KEY: "request_key = work_order_id || ':' || :text",
    Trait.OPERATOR: "json_extract(document, '$.operatorId') = :text"
    " OR json_extract(document, '$.operatorName') = :text",
}


def search(db: sqlite3.Connection, text: str, limit: int) -> list[Mapping[str, Any]]:
    """Do `Store.search`."""
    if not text:
        return _details(db, (each for (each,) in db.execute(_NEWEST, (limit,))))
    ids, ranges = id_range(text), number_ranges(text)
    found = [each for (each,) in db.execute(_BY_ID, (*ids, limit))] if ids else []
    between = " OR ".join([f"{_NUMBER} >= ? AND {_NUMBER} < ?"] * len(ranges))
    rows = db.execute(
        f"SELECT document FROM orders WHERE {between} ORDER BY {_NUMBER}, id LIMIT ?",  # noqa: S608
        (*(bound for each in ranges for bound in each), limit),
    )
    found += [each for (each,) in rows]
    return _details(db, list(dict.fromkeys(found))[:limit])


def numbers(db: sqlite3.Connection, ids: Sequence[WorkOrderId]) -> dict[WorkOrderId, str]:
    """Do `Store.numbers`."""
    statement = f"SELECT {_NUMBER} FROM orders WHERE id = ?"  # noqa: S608 made of constants
    found = ((each, db.execute(statement, (each,)).fetchone()) for each in ids)
    named = ((each, row and text_from(row[0])) for each, row in found)
    return {each: number for each, number in named if number}


def search_by(db: sqlite3.Connection, trait: Trait, text: str, limit: int) -> Found:
    """Do `Store.search_by`."""
    if trait is Trait.PART:
        rows = db.execute(_WITH_PART, (text, text.upper(), limit))
        return Found(tuple(_details(db, (each for (each,) in rows))), all_searched=True)
    if trait is Trait.BARCODE:
        ids = [each for each, _ in db.execute(_OF_BARCODE, (text, BARCODE_ENTRIES))]
        whole = len(ids) < BARCODE_ENTRIES
    else:
        statement = _AMONG_THE_NEWEST + _CONDITIONS[trait]
        given = {"searched": SEARCHED_ENTRIES, "text": text}
        ids = [each for (each,) in db.execute(statement, given)]
        whole = False
    orders = (db.execute(_ONE, (each,)).fetchone() for each in list(dict.fromkeys(ids))[:limit])
    return Found(tuple(_details(db, (row[0] for row in orders if row is not None))), whole)


def _details(db: sqlite3.Connection, texts: Iterable[str]) -> list[Mapping[str, Any]]:
    documents = map(orjson.loads, texts)
    return [detail_row(each, read_material(db, each)) for each in documents]
