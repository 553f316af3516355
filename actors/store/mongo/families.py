"""Orders of MongoDB that belong together: on a line, in a production order, made for scrap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from actors.domain.model import Beside, Neighbours, Status, WorkOrderId
from actors.domain.operations import are_done, is_all_counted
from actors.errors import StoreRejected
from actors.store.documents import known_outcome, order_from
from actors.store.mongo.bson import as_object_id
from actors.store.mongo.client import UNSTORABLE, reading, writing
from actors.store.schema import LINE, ORDER_FIELDS, OURS, PLAN, PRODUCTION_ORDER
from actors.store.supplements import (
    NUMBER,
    ORIGINAL,
    numbers_for,
    supplement_document,
    supplements_in,
)
from actors.store.values import mapping_from, number_from

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.domain.model import OperationEntry
    from actors.store.mongo.reads import Collections

_log = structlog.get_logger(__name__)

_MATERIAL: Final = "materialId"
_START: Final = "planStartTime"
_OPEN: Final = [Status.IN_PROGRESS.value, Status.PAUSED.value]


async def neighbours(at: Collections, order_id: WorkOrderId) -> Neighbours | None:
    """Do `Store.neighbours`; supplements that an owner before left in the outbox are made first."""
    mine = ObjectId(order_id)
    outbox = f"{OURS}.outbox"
    with reading():
        order = await at.orders.find_one({"_id": mine}, {LINE: 1, PRODUCTION_ORDER: 1, outbox: 1})
    if order is None:
        return None
    left = mapping_from(order.get(OURS)).get("outbox")
    known = (known_outcome(each) for each in (left if isinstance(left, list) else ()))
    await make_supplements(at, supplements_in(each for each in known if each is not None))
    with reading():
        line, shared = order.get(LINE), order.get(PRODUCTION_ORDER)
        busy = line is not None and await at.orders.find_one(
            {LINE: line, "status": "IN_PROGRESS", "_id": {"$ne": mine}}, {"_id": 1}
        )
        others: list[dict[str, Any]] = []
        if shared is not None:
            condition = {PRODUCTION_ORDER: shared, "_id": {"$ne": mine}}
            others = await at.orders.find(condition, {PLAN: 1}).to_list(None)
        made = await at.orders.find(
            {ORIGINAL: mine, "status": {"$ne": Status.CANCELLED.value}}, {"supplementQuantity": 1}
        ).to_list(None)
    return Neighbours(
        None if line is None else str(line),
        None if shared is None else str(shared),
        Beside(
            bool(busy),
            sum((number_from(each.get(PLAN)) or 0 for each in others), start=0),
            sum((number_from(each.get("supplementQuantity")) or 0 for each in made), start=0),
        ),
    )


async def make_supplements(at: Collections, entries: Iterable[OperationEntry]) -> None:
    """Make the orders of supplements that are missing; not one whose entry is in the log already.

    Raises `OutcomeUnknown` and `StoreUnavailable`.
    """
    for entry in entries:
        mine = ObjectId(entry.change.job_id)
        with reading():
            there = await at.orders.find_one({"_id": mine}, {"_id": 1})
            there = there or await at.operations.find_one({"_id": mine}, {"_id": 1})
            source = await at.orders.find_one({"_id": ObjectId(entry.work_order_id)})
        if there is None and source is not None:
            try:
                await _make(at, source, entry)
            except StoreRejected as error:  # nor will it be taken later
                _refused(entry, error)


async def _make(at: Collections, source: dict[str, Any], entry: OperationEntry) -> None:
    for number in numbers_for(source):
        document = supplement_document(source, entry, number)
        for name in ("_id", "createBy"):
            if name in document:
                document[name] = as_object_id(document[name])
        with reading():
            taken = await at.orders.find_one({NUMBER: number}, {"_id": 1})
        if taken is not None:
            if taken["_id"] == document["_id"]:
                return
            continue
        with writing():
            try:
                await at.orders.insert_one(document)
            except DuplicateKeyError as error:
                index = (error.details or {}).get("keyPattern", {})
                if NUMBER in index:
                    continue  # another order has got it just now
                if "_id" not in index:  # by which somebody made it just now
                    _refused(entry, error)
            except UNSTORABLE as error:
                _refused(entry, error)
        return


def _refused(entry: OperationEntry, error: Exception) -> None:
    _log.error(
        "supplement_refused",
        work_order_id=entry.work_order_id,
        supplement=entry.change.job_id,
        error=str(error)[:300],
    )


async def closable(at: Collections, order_id: WorkOrderId | None) -> list[WorkOrderId]:
    """Do `Store.closable`."""
    with reading():
        if order_id is None:
            done = {ORIGINAL: {"$gt": ObjectId("0" * 24)}, "status": Status.COMPLETED.value}
            asked = await at.orders.distinct(ORIGINAL, done)
        else:
            mine = ObjectId(order_id)
            order = await at.orders.find_one({"_id": mine}, {ORIGINAL: 1})
            asked = [mine, (order or {}).get(ORIGINAL)]
        asked = [
            each
            for each in asked
            if isinstance(each, ObjectId) and at.shard.has(WorkOrderId(str(each)))
        ]
        found = await at.orders.find(
            {"_id": {"$in": asked}, "status": {"$in": _OPEN}},
            {name: 1 for name in ORDER_FIELDS if name != OURS},
        ).to_list(None)
        counted = [each["_id"] for each in found if is_all_counted(order_from(each, None, 0).state)]
        supplements = await at.orders.find(
            {ORIGINAL: {"$in": counted}}, {ORIGINAL: 1, "status": 1}
        ).to_list(None)
    statuses: dict[Any, list[object]] = {}
    for each in supplements:
        statuses.setdefault(each[ORIGINAL], []).append(each.get("status"))
    return [WorkOrderId(str(each)) for each, states in statuses.items() if are_done(states)]


async def next_order(at: Collections, order_id: WorkOrderId) -> WorkOrderId | None:
    """Do `Store.next_order`."""
    with reading():
        order = await at.orders.find_one({"_id": ObjectId(order_id)}, {LINE: 1, _MATERIAL: 1})
        line, material = ((order or {}).get(name) for name in (LINE, _MATERIAL))
        if line is None or material is None:
            return None
        pending = {
            LINE: line,
            _MATERIAL: material,
            "status": Status.PENDING.value,
            _START: {"$type": "date"},
        }
        found = at.orders.find(pending, {"_id": 1}).sort([(_START, 1), ("_id", 1)]).limit(1)
        first = await found.to_list(1)
    ids = [WorkOrderId(str(each["_id"])) for each in first]
    return next((each for each in ids if at.shard.has(each)), None)
