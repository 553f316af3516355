"""Sums over the log in MongoDB, by aggregation."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from actors.store.mongo.bson import as_object_id
from actors.store.mongo.client import cursor_of, reading
from actors.store.mongo.places import places
from actors.store.mongo.rollups import LOG_KEYS, QUANTITY, TYPES, MongoShelf, log_key, periods, sums
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
    milliseconds,
    name_key,
    pieces,
)
from actors.store.rollups import cover, late_hours, recheck, roll_up, view_of
from actors.store.schema import LOGS, ORDERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from actors.store.mongo.places import Places
    from actors.store.mongo.reads import Collections
    from actors.store.quantities import QuantityQuery
    from actors.store.rollups import Cover

Expression = Any
"""An aggregation expression."""

_SUMS: Final = ("added", "taken", "increases", "decreases")
_INPUT, _OUTPUT = (itemgetter(*(f"{kind}_{each}" for each in _SUMS)) for kind in TYPES)
_AT_ONCE: Final = 1_000


class MongoStatistics:
    """Implements `actors.store.quantities.Statistics`; `collections` are those of an open store."""

    def __init__(self, collections: Callable[[], Collections]) -> None:
        self._collections = collections
        self._shelf = MongoShelf(collections)

    async def quantities(self, query: QuantityQuery) -> AsyncIterator[Sequence[QuantityRow]]:
        """Aggregate; what does not fit into the server's memory goes to its disk."""
        at = self._collections()
        with reading():
            condition = await _condition(at, query)
            counted = await places(at)
            source, pipeline = at.logs, _pipeline(query, condition, counted)
            if view_of(query) is not None:
                state = await self._shelf.state()
                if parts := cover(query, state):
                    source = at.rollups
                    pipeline = _covered(query, condition, parts, state.generation, counted)
            found = await cursor_of(source, pipeline, allowDiskUse=True, batchSize=_AT_ONCE)
            try:
                empty = True
                while some := await found.to_list(_AT_ONCE):
                    empty = False
                    yield _rows(query, some)
                if empty and not query.group:
                    yield [QuantityRow((), (), Sums(), Sums(), None, None)]
            finally:
                await found.close()

    async def roll_up(self, zone: tzinfo | None, shifts: tuple[int, ...], now: datetime) -> bool:
        """Roll up a period; those who own no first shard leave that to who does."""
        if self._collections().shard.index or not await self._shelf.able():
            return False
        return await roll_up(self._shelf, zone, shifts, now)

    async def recheck(self) -> int:
        """Mark hours whose entries are more or fewer than they were."""
        return 0 if self._collections().shard.index else await recheck(self._shelf)

    async def rebuild(self) -> None:
        """Let all be rolled up anew."""
        await self._shelf.restart()

    async def mark_late(self, times: Iterable[datetime]) -> None:
        """Let hours that are over be rolled up anew: entries of these times are in the log now."""
        now = datetime.now(UTC)
        hour = now.replace(minute=0, second=0, microsecond=0)
        # Of most entries, just made, this comparison is all that it costs.
        if late := [at for at in times if at < hour]:
            await self._shelf.mark(late_hours(map(milliseconds, late), now))


async def _condition(at: Collections, query: QuantityQuery) -> dict[str, Any]:
    types = TYPES if query.change_type is None else (query.change_type,)
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


def _pipeline(
    query: QuantityQuery, condition: Mapping[str, Any], counted: Places
) -> list[dict[str, Any]]:
    stages = counted.both(_summed(query, condition))
    if counted.archive is not None:
        stages.append(_added_up(query))
    return [*stages, *_finished(query)]


def _summed(query: QuantityQuery, condition: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"$match": condition},
        {"$set": {"quantity": QUANTITY}},
        {"$group": {"_id": _keys(query), **_names(query), **sums()}},
    ]


def _covered(
    query: QuantityQuery,
    condition: Mapping[str, Any],
    parts: Cover,
    generation: int,
    counted: Places,
) -> list[dict[str, Any]]:
    """Add up roll-ups, and what the log has beside them."""
    live = [{"operateTime": {"$gte": since, "$lte": until}} for since, until in parts.live]
    kinds = TYPES if query.change_type is None else (query.change_type,)
    stages: list[dict[str, Any]] = [
        {"$match": periods(parts.view, parts.spans, generation)},
        {"$unwind": "$rows"},
        {"$match": _row_condition(query, condition, kinds)},
        {
            "$group": {
                "_id": _keys(query, rolled=True),
                **_rolled_names(query, kinds),
                **_rolled_sums(kinds),
            }
        },
    ]
    if live:
        rest = _summed(query, {"$and": [condition, {"$or": live}]})
        stages.append({"$unionWith": {"coll": LOGS, "pipeline": counted.both(rest)}})
    return [*stages, _added_up(query), *_finished(query)]


def _row_condition(
    query: QuantityQuery, condition: Mapping[str, Any], kinds: Iterable[str]
) -> dict[str, Any]:
    """Turn what entries have to be into what rows of roll-ups have to be: of that key and kind."""
    wanted: list[Any] = [{"$or": [{f"rows.{kind}_entries": {"$gt": 0}} for kind in kinds]}]
    for each in condition.get("$and", [condition]):
        for dimension in query.where:
            name = LOG_KEYS.get(dimension)
            if name in each:
                flag = query.where[dimension]
                wanted.append({"rows.key": flag if name == AUTOMATIC else each[name]})
    return {"$and": wanted}


def _rolled_names(query: QuantityQuery, kinds: Iterable[str]) -> dict[str, Expression]:
    name = {"$max": [f"$rows.{kind}_name" for kind in kinds]}
    return {each: {"$max": name} for each in _names(query)}


def _rolled_sums(kinds: Iterable[str]) -> dict[str, Expression]:
    added: dict[str, Expression] = {}
    for kind in TYPES:
        for each in _SUMS:
            name = f"{kind}_{each}"
            added[name] = {"$sum": f"$rows.{name}" if kind in kinds else 0}
    made = "output" in kinds
    return added | {
        "first": {"$min": "$rows.first" if made else None},
        "last": {"$max": "$rows.last" if made else None},
    }


def _finished(query: QuantityQuery) -> list[dict[str, Any]]:
    stages: list[dict[str, Any]] = []
    if Dimension.PRODUCTION_ORDER in query.group:
        stages += _by_production_order(query)
    stages.append({"$sort": {"_id": 1}})
    if query.limit is not None:
        stages.append({"$limit": query.limit})
    return stages


def _keys(query: QuantityQuery, *, rolled: bool = False) -> Expression:
    keys = enumerate(query.group)
    return {f"k{n}": _key(each, query.calendar, rolled=rolled) for n, each in keys} or None


def _key(dimension: Dimension, calendar: Calendar, *, rolled: bool = False) -> Expression:
    if dimension in TIMES:
        return _bucket(dimension, calendar, "$at" if rolled else "$operateTime")
    value = "$rows.key" if rolled else log_key(dimension)
    if dimension in (Dimension.AUTOMATIC, Dimension.PRODUCTION_ORDER):
        return value  # an order, until it is looked up
    default = FIELDS[dimension].default
    return {"$convert": {"input": value, "to": "string", "onError": default, "onNull": default}}


def _bucket(dimension: Dimension, calendar: Calendar, at: str) -> Expression:
    utc = {"$toLong": at}
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


def _by_production_order(query: QuantityQuery) -> list[dict[str, Any]]:
    """Look up each order's number, and group once more."""
    place = f"_id.k{query.group.index(Dimension.PRODUCTION_ORDER)}"
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
        _added_up(query),
    ]


def _added_up(query: QuantityQuery) -> dict[str, Any]:
    """Group what was grouped before."""
    return {
        "$group": {
            "_id": "$_id",
            **{name: {"$max": f"${name}"} for name in _names(query)},
            **{f"{kind}_{each}": {"$sum": f"${kind}_{each}"} for kind in TYPES for each in _SUMS},
            "first": {"$min": "$first"},
            "last": {"$max": "$last"},
        }
    }


def _rows(query: QuantityQuery, found: Iterable[Mapping[str, Any]]) -> list[QuantityRow]:
    grouped = range(len(query.group))
    keys, names = [f"k{n}" for n in grouped], [f"n{n}" for n in grouped]
    made = []
    for each in found:
        key = each["_id"] or {}
        made.append(
            QuantityRow(
                tuple([_plain(key[name]) for name in keys]),
                tuple([_text(each.get(name)) for name in names]),
                _sums(*_INPUT(each)),
                _sums(*_OUTPUT(each)),
                each["first"],
                each["last"],
            )
        )
    return made


def _plain(key: Any) -> Any:  # noqa: ANN401 -- as the aggregation gives it
    return int(key) if isinstance(key, int | float) and not isinstance(key, bool) else key


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _sums(added: Any, taken: Any, increases: Any, decreases: Any) -> Sums:  # noqa: ANN401
    return Sums(pieces(added), pieces(taken), int(increases), int(decreases))
