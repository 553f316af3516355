"""Sums over the log in MongoDB, by aggregation."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from actors.store.mongo.bson import as_object_id
from actors.store.mongo.client import reading
from actors.store.quantities import (
    AUTOMATIC,
    DAY_MS,
    FIELDS,
    HOUR_MS,
    MINUTE_MS,
    PRODUCTION_ORDER,
    TIMES,
    Calendar,
    Dimension,
    QuantityRow,
    Sums,
    name_key,
    pieces,
)
from actors.store.schema import ORDERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from actors.store.mongo.reads import Collections
    from actors.store.quantities import QuantityQuery

Expression = Any
"""An aggregation expression."""

_TYPES: Final = ("input", "output")
_SUMS: Final = ("added", "taken", "increases", "decreases")
_AT_ONCE: Final = 500
_QUANTITY: Final = {
    "$cond": [
        {"$eq": [{"$type": "$changeQuantity"}, "bool"]},
        0,
        {"$convert": {"input": "$changeQuantity", "to": "double", "onError": 0, "onNull": 0}},
    ]
}


class MongoStatistics:
    """Implements `actors.store.quantities.Statistics`; `collections` are those of an open store."""

    def __init__(self, collections: Callable[[], Collections]) -> None:
        self._collections = collections

    async def quantities(self, query: QuantityQuery) -> AsyncIterator[Sequence[QuantityRow]]:
        """Aggregate; what does not fit into the server's memory goes to its disk."""
        at = self._collections()
        with reading():
            condition = await _condition(at, query)
            found = at.logs.aggregate(
                _pipeline(query, condition), allowDiskUse=True, batchSize=_AT_ONCE
            )
            if inspect.isawaitable(found):  # with PyMongo's own API
                found = await found
            try:
                empty = True
                while some := await found.to_list(_AT_ONCE):
                    empty = False
                    yield [_row(query, each) for each in some]
                if empty and not query.group:
                    yield [QuantityRow((), (), Sums(), Sums(), None, None)]
            finally:
                await found.close()


async def _condition(at: Collections, query: QuantityQuery) -> dict[str, Any]:
    types = _TYPES if query.change_type is None else (query.change_type,)
    condition: dict[str, Any] = {
        "operateTime": {"$gte": query.since, "$lte": query.until},
        "changeType": {"$in": list(types)},
    }
    orders: list[Any] = []
    for dimension, wanted in query.where.items():
        if dimension is Dimension.AUTOMATIC:
            condition[AUTOMATIC] = {"$ne": False} if wanted else False
        elif dimension is Dimension.PRODUCTION_ORDER:
            named = await at.orders.find({PRODUCTION_ORDER: wanted}, {"_id": 1}).to_list(None)
            orders.append({"workOrderId": {"$in": [each["_id"] for each in named]}})
        else:
            key, _, default = FIELDS[dimension]
            # Ids are of one type and texts of another, and not all writers keep to it.
            values = [as_object_id(str(wanted)), wanted, *([None] if wanted == default else [])]
            condition[key] = {"$in": values}
    return {"$and": [condition, *orders]} if orders else condition


def _pipeline(query: QuantityQuery, condition: Mapping[str, Any]) -> list[dict[str, Any]]:
    stages: list[dict[str, Any]] = [
        {"$match": condition},
        {"$set": {"quantity": _QUANTITY}},
        {"$group": {"_id": _keys(query), **_names(query), **_sums()}},
    ]
    if Dimension.PRODUCTION_ORDER in query.group:
        stages += _by_production_order(query)
    stages.append({"$sort": {"_id": 1}})
    if query.limit is not None:
        stages.append({"$limit": query.limit})
    return stages


def _keys(query: QuantityQuery) -> Expression:
    return {f"k{n}": _key(each, query.calendar) for n, each in enumerate(query.group)} or None


def _key(dimension: Dimension, calendar: Calendar) -> Expression:
    if dimension in TIMES:
        return _bucket(dimension, calendar)
    if dimension is Dimension.AUTOMATIC:
        return {"$ne": [f"${AUTOMATIC}", False]}
    if dimension is Dimension.PRODUCTION_ORDER:
        return "$workOrderId"  # until the order is looked up
    key, _, default = FIELDS[dimension]
    return {"$convert": {"input": f"${key}", "to": "string", "onError": default, "onNull": default}}


def _bucket(dimension: Dimension, calendar: Calendar) -> Expression:
    utc = {"$toLong": "$operateTime"}
    (_, first), *later = calendar.offsets
    offset: Expression = first
    if later:
        cases = [{"case": {"$gte": [utc, since]}, "then": each} for since, each in reversed(later)]
        offset = {"$switch": {"branches": cases, "default": first}}
    local = {"$add": [utc, offset]}
    if dimension is not Dimension.SHIFT:
        return _floor(local, HOUR_MS if dimension is Dimension.HOUR else DAY_MS)
    starts = [minutes * MINUTE_MS for minutes in calendar.shifts]
    since_first = {"$subtract": [local, starts[0]]}
    cases = [
        {"case": {"$gte": [{"$mod": [since_first, DAY_MS]}, start - starts[0]]}, "then": start}
        for start in reversed(starts)
    ]
    begun = {"$switch": {"branches": cases, "default": starts[0]}}
    return {"$add": [_floor(since_first, DAY_MS), begun]}


def _floor(value: Expression, unit: int) -> Expression:
    return {"$subtract": [value, {"$mod": [value, unit]}]}


def _names(query: QuantityQuery) -> dict[str, Expression]:
    named = enumerate(map(name_key, query.group))
    return {f"n{n}": {"$max": f"${name}"} for n, name in named if name is not None}


def _sums() -> dict[str, Expression]:
    sums: dict[str, Expression] = {}
    for kind in _TYPES:
        of_kind = {"$eq": ["$changeType", kind]}
        for sign, operator, summed, entries in (
            (1, "$gt", "added", "increases"),
            (-1, "$lt", "taken", "decreases"),
        ):
            such = {"$and": [of_kind, {operator: ["$quantity", 0]}]}
            counted = {"$multiply": ["$quantity", sign]}
            sums[f"{kind}_{summed}"] = {"$sum": {"$cond": [such, counted, 0]}}
            sums[f"{kind}_{entries}"] = {"$sum": {"$cond": [such, 1, 0]}}
    made = {"$and": [{"$eq": ["$changeType", "output"]}, {"$gt": ["$quantity", 0]}]}
    when = {"$cond": [made, "$operateTime", None]}
    # Of nothing there is no first: both leave nulls out.
    return sums | {"first": {"$min": when}, "last": {"$max": when}}


def _by_production_order(query: QuantityQuery) -> list[dict[str, Any]]:
    """Look up each order's number, and group once more."""
    place = f"_id.k{query.group.index(Dimension.PRODUCTION_ORDER)}"
    sums = {f"{kind}_{each}": {"$sum": f"${kind}_{each}"} for kind in _TYPES for each in _SUMS}
    names = {name: {"$max": f"${name}"} for name in _names(query)}
    number = {"$arrayElemAt": [f"$order.{PRODUCTION_ORDER}", 0]}
    return [
        {
            "$lookup": {
                "from": ORDERS,
                "let": {"id": f"${place}"},
                "pipeline": [
                    {"$match": {"$expr": {"$eq": ["$_id", "$$id"]}}},
                    {"$project": {PRODUCTION_ORDER: 1}},
                ],
                "as": "order",
            }
        },
        {
            "$set": {
                place: {
                    "$convert": {"input": number, "to": "string", "onError": None, "onNull": None}
                }
            }
        },
        {
            "$group": {
                "_id": "$_id",
                **names,
                **sums,
                "first": {"$min": "$first"},
                "last": {"$max": "$last"},
            }
        },
    ]


def _row(query: QuantityQuery, found: Mapping[str, Any]) -> QuantityRow:
    keys = found["_id"] or {}
    return QuantityRow(
        tuple(_plain(keys[f"k{n}"]) for n in range(len(query.group))),
        tuple(_text(found.get(f"n{n}")) for n in range(len(query.group))),
        _of_kind(found, "input"),
        _of_kind(found, "output"),
        found["first"],
        found["last"],
    )


def _plain(key: Any) -> Any:  # noqa: ANN401 -- as the aggregation gives it
    return int(key) if isinstance(key, int | float) and not isinstance(key, bool) else key


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _of_kind(found: Mapping[str, Any], kind: str) -> Sums:
    added, taken, increases, decreases = (found[f"{kind}_{each}"] for each in _SUMS)
    return Sums(pieces(added), pieces(taken), int(increases), int(decreases))
