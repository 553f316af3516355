"""The shared database on MongoDB, read in batches of raw BSON."""

from __future__ import annotations

from contextlib import contextmanager
from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import bson
from bson import ObjectId
from pymongo import MongoClient, ReadPreference
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from actors.store.mongo.bson import CODEC, as_object_id
from actors.store.schema import ARCHIVE, INBOX, LOGS, ORDERS
from actors.store.values import order_time
from scripts.reconcile.rows import FIELDS, Row, row_of
from scripts.reconcile.source import Left, StillChanging, Unreadable
from scripts.reconcile.states import FIELDS as ORDER_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pymongo.collection import Collection

    from scripts.reconcile.source import Document

_ORDERS_AT_ONCE: Final = 500
_ENTRIES_AT_ONCE: Final = 5_000
_TRIES: Final = 8
_MOST_STRAYS: Final = 100_000
_TIMEOUT_MS: Final = 10_000
_ENTRY: Final = dict.fromkeys(FIELDS, 1)
_ORDER: Final = dict.fromkeys(ORDER_FIELDS, 1)
_BY_ORDER: Final = [("workOrderId", 1), ("operateTime", -1)]


class MongoSource:
    """Reads the database named `database` at `uri`; what a majority has, from the primary."""

    id_type: type = ObjectId

    def __init__(self, uri: str, database: str) -> None:
        self.client: MongoClient[Document] = MongoClient(
            uri, serverSelectionTimeoutMS=_TIMEOUT_MS, appname="work-order-reconcile"
        )
        self.database = self.client.get_database(
            database,
            codec_options=CODEC,
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )
        self._orders = self.database[ORDERS]
        self._logs, self._archive = self.database[LOGS], self.database[ARCHIVE]

    def close(self) -> None:
        """Close all connections."""
        self.client.close()

    def batches(self) -> Iterator[Sequence[tuple[str, Document]]]:
        """Read all orders, a query for each batch: no cursor is open while one is worked on."""
        above: dict[str, Any] = {"$type": "objectId"}
        while True:
            with reading():
                found = list(
                    self._orders.find({"_id": above}, _ORDER).sort("_id", 1).limit(_ORDERS_AT_ONCE)
                )
            if not found:
                return
            yield [(str(each["_id"]), each) for each in found]
            above = {"$gt": found[-1]["_id"]}

    def groups(self, above: str, to: str) -> Iterator[tuple[str, list[Row]]]:
        """Read the log by the index that the shared schema has."""
        # A bound of one type leaves out what is of another.
        bounds = {"$gt": above, "$lte": to}
        between: Document = {name: ObjectId(each) for name, each in bounds.items() if each}
        found = self._entries({"workOrderId": between or {"$type": "objectId"}})
        for order_id, documents in groupby(found, _order_of):
            yield str(order_id), _rows(documents)

    def _entries(self, condition: Mapping[str, Any]) -> Iterator[Document]:
        """Read log and archive, by order; what is moved meanwhile may come twice."""
        found = _read(self._logs, condition)
        with reading():
            if self._archive.find_one({}, {"_id": 1}) is None:
                return found
        return merge(found, _read(self._archive, condition), key=_order_of)

    def strays(self) -> Mapping[str, list[Row]]:
        """Read entries whose order's id is no ObjectId."""
        with reading():
            found = self._logs.find({"workOrderId": {"$not": {"$type": "objectId"}}}, _ENTRY)
            strays: dict[str, list[Row]] = {}
            for each in found.limit(_MOST_STRAYS):
                named = str(each.get("workOrderId")).lower()
                strays.setdefault(named, []).append(row_of(each, ObjectId))
            return strays

    def book(self, order_id: str) -> tuple[Document | None, list[Row]]:
        """Read an order, its log and the order again, until nothing changed in between."""
        if not ObjectId.is_valid(order_id):
            return None, []
        wanted = ObjectId(order_id)
        with reading():
            before = self._orders.find_one({"_id": wanted}, _ORDER)
            for _ in range(_TRIES):
                entries = _rows(self._entries({"workOrderId": wanted}))
                after = self._orders.find_one({"_id": wanted}, _ORDER)
                if repr(after) == repr(before):  # where NaN is NaN
                    return after, entries
                before = after
        raise StillChanging(order_id)

    def orders_of(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """Read orders by id."""
        fields = {"workOrderNo": 1, "status": 1, "scrapQuantity": 1}
        with reading():
            found = self._orders.find(
                {"_id": {"$in": [as_object_id(each) for each in ids]}}, fields
            )
            return {str(each["_id"]): each for each in found}

    def supplements(self) -> Iterator[Document]:
        """Read orders that name an original."""
        fields = {"workOrderNo": 1, "status": 1, "originalWorkOrderId": 1}
        with reading():
            yield from self._orders.find({"originalWorkOrderId": {"$ne": None}}, fields)

    def left(self, limit: int) -> Sequence[Left]:
        """Read what waits in the inbox, and what was given up."""
        jobs = self.database[INBOX]
        with reading():
            waiting = jobs.find({"state": "waiting"}).sort([("epoch", 1), ("n", 1)]).limit(limit)
            dead = jobs.find({"state": "failed", "dead": True}).sort("finishedAt", 1).limit(limit)
            return [_left(each) for each in (*waiting, *dead)]

    def size(self) -> int:
        """Return what the collections themselves count."""
        with reading():
            counts = (each.estimated_document_count() for each in (self._logs, self._archive))
            return sum(map(int, counts))


def _read(log: Collection[Document], condition: Mapping[str, Any]) -> Iterator[Document]:
    with reading():
        # The driver says that it gives documents; it gives bytes.
        batches: Any = log.find_raw_batches(condition, _ENTRY, batch_size=_ENTRIES_AT_ONCE)
        for raw in batches.sort(_BY_ORDER):
            yield from bson.decode_all(raw, CODEC)


def _rows(documents: Iterable[Document]) -> list[Row]:
    return [row_of(each, ObjectId) for each in {each["_id"]: each for each in documents}.values()]


def _order_of(document: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- an id, as others are
    return document["workOrderId"]


def _left(document: Mapping[str, Any]) -> Left:
    return Left(
        str(document["_id"]),
        str(document.get("workOrderId") or ""),
        bool(document.get("dead")),
        order_time(document.get("receivedAt")),
    )


@contextmanager
def reading() -> Iterator[None]:
    """Turn the driver's errors into `Unreadable`."""
    try:
        yield
    except PyMongoError as error:
        raise Unreadable(f"MongoDB: {str(error)[:300]}") from error
