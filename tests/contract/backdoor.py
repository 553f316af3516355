"""What others do to the data behind a store's back: the main service, operators, scripts."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from bson import ObjectId
from bson.codec_options import CodecOptions

from actors.store.schema import ARCHIVE, LOGS, MATERIALS, ORDERS, REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pymongo import MongoClient
    from pymongo.collection import Collection

    from actors.domain.model import WorkOrderId

Document = dict[str, Any]

_IDS: Final = (
    "_id",
    "workOrderId",
    "materialId",
    "productionLineId",
    "processStepId",
    "originalWorkOrderId",
)
_TIMES: Final = (
    "createAt",
    "updateAt",
    "planStartTime",
    "actualEndTime",
    "operateTime",
    "createdAt",
    "updatedAt",
)
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Backdoor(Protocol):
    """Reads and writes past the store. Ids are hex text, times aware."""

    def put_order(self, document: Mapping[str, Any]) -> None:
        """Insert an order, or replace the whole of it."""
        ...

    def edit_order(
        self, order_id: WorkOrderId, fields: Mapping[str, Any], *, without: tuple[str, ...] = ()
    ) -> None:
        """Set fields and remove those named in `without`."""
        ...

    def delete_order(self, order_id: WorkOrderId) -> None: ...

    def order(self, order_id: WorkOrderId) -> Document:
        """Return the order with all that is ours."""
        ...

    def put_log(self, document: Mapping[str, Any]) -> None: ...

    def delete_logs(self, order_id: WorkOrderId) -> None:
        """Delete what the log, not an outbox, holds of the order."""
        ...

    def logs(self, order_id: WorkOrderId) -> list[Document]:
        """Return what the log, not an outbox, holds of the order; oldest first, by seq."""
        ...

    def refusals(self, order_id: WorkOrderId) -> list[str]:
        """Return the job ids of what the refusals, not an outbox, hold of the order."""
        ...

    def put_material(self, document: Mapping[str, Any]) -> None: ...


class SqliteBackdoor:
    """Another process with the same file open."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put_order(self, document: Mapping[str, Any]) -> None:
        self._run(
            "INSERT OR REPLACE INTO orders (id, document) VALUES (?, ?)",
            document["_id"],
            _text(document),
        )

    def edit_order(
        self, order_id: WorkOrderId, fields: Mapping[str, Any], *, without: tuple[str, ...] = ()
    ) -> None:
        [(text,)] = self._run("SELECT document FROM orders WHERE id = ?", order_id)
        document = {
            name: value
            for name, value in (json.loads(text) | fields).items()
            if name not in without
        }
        self._run("UPDATE orders SET document = ? WHERE id = ?", _text(document), order_id)

    def delete_order(self, order_id: WorkOrderId) -> None:
        self._run("DELETE FROM orders WHERE id = ?", order_id)

    def order(self, order_id: WorkOrderId) -> Document:
        [(text,)] = self._run("SELECT document FROM orders WHERE id = ?", order_id)
        return _with_times(json.loads(text))

    def put_log(self, document: Mapping[str, Any]) -> None:
        self.put_logs([document])

    def put_logs(self, documents: Iterable[Mapping[str, Any]]) -> None:
        with closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
            connection.executemany(
                "INSERT INTO logs (id, work_order_id, seq, operate_time, change_type,"
                " related_barcode, process_step_id, request_key, document)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                map(_log_row, documents),
            )

    def delete_logs(self, order_id: WorkOrderId) -> None:
        self._run("DELETE FROM logs WHERE work_order_id = ?", order_id)

    def logs(self, order_id: WorkOrderId) -> list[Document]:
        rows = self._run(
            "SELECT document FROM logs WHERE work_order_id = ? ORDER BY seq, operate_time", order_id
        )
        return [_with_times(json.loads(text)) for (text,) in rows]

    def refusals(self, order_id: WorkOrderId) -> list[str]:
        rows = self._run("SELECT id FROM refusals WHERE work_order_id = ? ORDER BY id", order_id)
        return [job_id for (job_id,) in rows]

    def put_material(self, document: Mapping[str, Any]) -> None:
        self._run(
            "INSERT INTO materials (id, document) VALUES (?, ?)", document["_id"], _text(document)
        )

    def spoil_state(self, name: str, note: str | None) -> None:
        self._run("UPDATE state SET note = ? WHERE name = ?", note, name)

    def _run(self, statement: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
            return connection.execute(statement, values).fetchall()


class MongoBackdoor:
    """Another client of the same database."""

    def __init__(self, client: MongoClient[Document], database: str) -> None:
        self.database = client.get_database(database, CodecOptions(tz_aware=True))

    def create_collection(self, name: str, collation: Mapping[str, Any]) -> None:
        """Make a collection anew that compares texts by `collation`."""
        self.database.drop_collection(name)
        self.database.create_collection(name, collation=collation)

    def put_order(self, document: Mapping[str, Any]) -> None:
        ours = _with_ids(document)
        self._orders.replace_one({"_id": ours["_id"]}, ours, upsert=True)

    def edit_order(
        self, order_id: WorkOrderId, fields: Mapping[str, Any], *, without: tuple[str, ...] = ()
    ) -> None:
        update: Document = {"$set": _with_ids(fields)} if fields else {}
        if without:
            update["$unset"] = dict.fromkeys(without, "")
        assert self._orders.update_one({"_id": ObjectId(order_id)}, update).matched_count == 1

    def delete_order(self, order_id: WorkOrderId) -> None:
        self._orders.delete_one({"_id": ObjectId(order_id)})

    def order(self, order_id: WorkOrderId) -> Document:
        document = self._orders.find_one({"_id": ObjectId(order_id)})
        assert document is not None
        return _with_texts(document)

    def put_log(self, document: Mapping[str, Any]) -> None:
        self.database[LOGS].insert_one(_with_ids(document))

    def put_logs(self, documents: Iterable[Mapping[str, Any]]) -> None:
        self.database[LOGS].insert_many(map(_with_ids, documents))

    def delete_logs(self, order_id: WorkOrderId) -> None:
        self.database[LOGS].delete_many({"workOrderId": ObjectId(order_id)})

    def logs(self, order_id: WorkOrderId) -> list[Document]:
        return self._entries(LOGS, order_id)

    def archived(self, order_id: WorkOrderId) -> list[Document]:
        """Read the entries of an order that the archive has."""
        return self._entries(ARCHIVE, order_id)

    def refusals(self, order_id: WorkOrderId) -> list[str]:
        wanted = {"workOrderId": {"$in": [order_id, ObjectId(order_id)]}}
        return [str(each["_id"]) for each in self.database[REFUSALS].find(wanted).sort("_id")]

    def put_material(self, document: Mapping[str, Any]) -> None:
        self.database[MATERIALS].insert_one(_with_ids(document))

    def _entries(self, collection: str, order_id: WorkOrderId) -> list[Document]:
        found = self.database[collection].find({"workOrderId": ObjectId(order_id)})
        in_order = found.sort([("planServer.seq", 1), ("operateTime", 1)])
        return [_with_texts(each) for each in in_order]

    @property
    def _orders(self) -> Collection[Document]:
        return self.database[ORDERS]


RealBackdoor = SqliteBackdoor | MongoBackdoor
"""Those of databases, which take documents of any shape."""


def _log_row(document: Mapping[str, Any]) -> tuple[Any, ...]:
    at = document.get("operateTime")
    ours = document.get("planServer", {})
    return (
        document["_id"],
        document["workOrderId"],
        ours.get("seq"),
        None if at is None else round((at - _START).total_seconds() * 1_000_000),
        document.get("changeType"),
        document.get("relatedBarcode"),
        document.get("processStepId"),
        ours.get("requestKey"),
        _text(document),
    )


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, default=datetime.isoformat, ensure_ascii=False)


def _with_times(document: Document) -> Document:
    times = {name: datetime.fromisoformat(document[name]) for name in _TIMES if document.get(name)}
    return document | times


def _with_ids(document: Mapping[str, Any]) -> Document:
    ids = {
        name: ObjectId(document[name])
        for name in _IDS
        if isinstance(document.get(name), str) and ObjectId.is_valid(document[name])
    }
    return {**document} | ids


def _with_texts(document: Mapping[str, Any]) -> Document:
    ids = {name: str(value) for name, value in document.items() if isinstance(value, ObjectId)}
    return {**document} | ids
