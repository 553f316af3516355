"""Roll-ups in MongoDB: a document for each period and view, with a row for each key."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError

from actors.errors import StoreRejected, StoreUnavailable
from actors.runtime.slices import in_slices
from actors.store.mongo.client import UNSTORABLE, all_of, reading, writing
from actors.store.mongo.places import places
from actors.store.quantities import AUTOMATIC, FIELDS, HOUR_MS, Dimension, milliseconds, name_key
from actors.store.rollups import HOURS, TOTAL, VIEWS, RollupState, different
from actors.store.values import count_from, mapping_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from actors.store.mongo.reads import Collections
    from actors.store.rollups import Period

Expression = Any
"""An aggregation expression."""

TYPES: Final = ("input", "output")
LOG_KEYS: Final[Mapping[Dimension, str]] = {
    **{dimension: each.key for dimension, each in FIELDS.items()},
    Dimension.PRODUCTION_ORDER: "workOrderId",
    Dimension.AUTOMATIC: AUTOMATIC,
}
"""Where an entry has what it is grouped by."""
QUANTITY: Final = {
    "$cond": [
        {"$eq": [{"$type": "$changeQuantity"}, "bool"]},
        0,
        {"$convert": {"input": "$changeQuantity", "to": "double", "onError": 0, "onNull": 0}},
    ]
}
_STATE: Final = {"_id": "state"}
_NOTHING: Final = {"generation": 0, "through": 0, "summed": 0, "calendar": ""}
_DUPLICATE_KEY: Final = 11000
_TOO_LARGE: Final = frozenset({146, 292, 10334, 17419, 17420, 4031700})
"""A stage has more than its memory, or a document more than 16 MiB (`$facet` gives one)."""
_SMALLEST_MS: Final = 10_000
"""No part of an hour is cut further."""
_SINCE_VERSION: Final = (4, 4)
"""The first MongoDB that has `$unionWith`."""
_COUNTED: Final = tuple(
    f"{kind}_{each}" for kind in TYPES for each in ("added", "taken", "increases", "decreases")
)
_ENTRIES: Final = tuple(f"{kind}_entries" for kind in TYPES)
_NAMES: Final = tuple(f"{kind}_name" for kind in TYPES)
_Rows = dict[str, dict[str, Any]]
"""The rows of a view, by their keys as text."""


@contextmanager
def _bounded() -> Iterator[None]:
    """Turn the errors of what is larger than a document or a sum may be into `StoreRejected`."""
    try:
        yield
    except UNSTORABLE as error:
        raise StoreRejected(str(error)[:300]) from error
    except OperationFailure as error:
        if error.code not in _TOO_LARGE:
            raise
        raise StoreRejected(str(error)[:300]) from error


def _is_too_much(error: Exception) -> bool:
    """Return whether less of the log might have been counted."""
    cause = error.__cause__
    return isinstance(error, StoreRejected) or (isinstance(cause, PyMongoError) and cause.timeout)


def _add(rows: _Rows, row: dict[str, Any]) -> None:
    """Add a row of one part to what the parts before it have of the same key."""
    known = rows.setdefault(repr(row["_id"]), row)
    if known is row:
        return
    for name in (*_ENTRIES, *_COUNTED):
        known[name] += row[name]
    for name in (*_NAMES, "first", "last"):
        both = [each[name] for each in (known, row) if each.get(name) is not None]
        if both:
            known[name] = min(both) if name == "first" else max(both, key=_rank)


def _rank(value: object) -> tuple[object, ...]:
    """Order times, and names, which may be anything where others wrote them."""
    if isinstance(value, datetime):
        return (2, value)
    return (1, value) if isinstance(value, str) else (0, repr(value))


def log_key(dimension: Dimension) -> Expression:
    """Return what an entry is grouped by, as it is in the log."""
    name = f"${LOG_KEYS[dimension]}"
    return {"$ne": [name, False]} if dimension is Dimension.AUTOMATIC else name


def sums() -> dict[str, Expression]:
    """Return the sums of entries whose `quantity` is a number."""
    found: dict[str, Expression] = {}
    for kind in TYPES:
        of_kind = {"$eq": ["$changeType", kind]}
        for sign, operator, summed, entries in (
            (1, "$gt", "added", "increases"),
            (-1, "$lt", "taken", "decreases"),
        ):
            such = {"$and": [of_kind, {operator: ["$quantity", 0]}]}
            counted = {"$multiply": ["$quantity", sign]}
            found[f"{kind}_{summed}"] = {"$sum": {"$cond": [such, counted, 0]}}
            found[f"{kind}_{entries}"] = {"$sum": {"$cond": [such, 1, 0]}}
    made = {"$and": [{"$eq": ["$changeType", "output"]}, {"$gt": ["$quantity", 0]}]}
    when = {"$cond": [made, "$operateTime", None]}
    # Of nothing there is no first: both leave nulls out.
    return found | {"first": {"$min": when}, "last": {"$max": when}}


def periods(view: str, spans: Iterable[Period], generation: int) -> dict[str, Any]:
    """Return the condition of the documents of neighbouring periods."""
    of_spans = [
        {"level": level, "at": {"$gte": _at(start), "$lt": _at(end)}} for level, start, end in spans
    ]
    return {"view": view, "stamp": {"$gte": generation}, "$or": of_spans}


class MongoShelf:
    """Implements `actors.store.rollups.Shelf`."""

    def __init__(self, collections: Callable[[], Collections]) -> None:
        self._collections = collections
        self._able: bool | None = None

    async def able(self) -> bool:
        """Return whether the server can answer from roll-ups and log together."""
        if self._able is None:
            with reading():
                told = await self._collections().rollups.database.command("buildInfo")
            self._able = tuple(told["versionArray"][:2]) >= _SINCE_VERSION
        return self._able

    async def state(self) -> RollupState:
        """Read one document."""
        with reading():
            found = await self._collections().rollups.find_one(_STATE) or {}
        numbers = {
            name: count_from(found.get(name)) or 0
            for name in ("stamp", "generation", "through", "summed")
        }
        marks = {int(hour): str(each) for hour, each in mapping_from(found.get("marks")).items()}
        return RollupState(**numbers, calendar=str(found.get("calendar", "")), marks=marks)

    async def next_entry(self, since: int, until: int) -> datetime | None:
        """Ask the index of times."""
        time = {"$gte": _at(since), "$lt": _at(until)}
        at = self._collections()
        found: list[dict[str, Any]] = []
        with reading():
            for log, condition in (await places(at)).of(at, {"operateTime": time}):
                first = log.find(condition, {"operateTime": 1, "_id": 0}).sort("operateTime", 1)
                found += await first.limit(1).to_list(1)
        return min((each["operateTime"] for each in found), default=None)

    async def next_hour(self, since: int) -> int | None:
        """Ask the index of periods."""
        generation = (await self.state()).generation
        with reading():
            found = await (
                self._collections()
                .rollups.find(
                    {
                        "view": TOTAL,
                        "level": HOURS,
                        "at": {"$gte": _at(since)},
                        "stamp": {"$gte": generation},
                    },
                    {"at": 1},
                )
                .sort("at", 1)
                .limit(1)
                .to_list(1)
            )
        return milliseconds(found[0]["at"]) if found else None

    async def roll(self, hour: Period, state: RollupState) -> None:
        """Group an hour's entries by all views at once; part by part where they are many."""
        rows: dict[str, _Rows] = {view: {} for view in VIEWS}
        entries = 0
        parts = [(hour.start, hour.end)]
        while parts:
            start, end = parts.pop()
            try:
                found = await self._counted(start, end)
            except (StoreRejected, StoreUnavailable) as error:
                if end - start <= _SMALLEST_MS or not _is_too_much(error):
                    raise
                middle = (start + end) // 2
                parts += [(middle, end), (start, middle)]
                continue
            entries += found["all"][0]["entries"] if found["all"] else 0
            for view in VIEWS:
                await in_slices(partial(_add, rows[view]), found[view or HOURS])
        await self._write(
            hour, state, {view: [*each.values()] for view, each in rows.items()}, entries=entries
        )

    async def _counted(self, start: int, end: int) -> dict[str, list[dict[str, Any]]]:
        at = self._collections()
        facets = {view or HOURS: [_by_view(view)] for view in VIEWS}
        time = {"$gte": _at(start), "$lt": _at(end)}
        with reading(), _bounded():
            counted = await places(at)
            [found] = await all_of(
                at.logs,
                [
                    *counted.both([{"$match": {"operateTime": time}}]),
                    {"$set": {"quantity": QUANTITY}},
                    {"$facet": {**facets, "all": [{"$count": "entries"}]}},
                ],
            )
        return found

    async def sum_up(self, period: Period, state: RollupState) -> None:
        """Group the rows of a period's hours once more."""
        at = self._collections()
        hours = (period._replace(level=HOURS),)
        rows = {}
        for view in VIEWS:
            with reading(), _bounded():
                rows[view] = await all_of(
                    at.rollups,
                    [
                        {"$match": periods(view, hours, state.generation)},
                        {"$unwind": "$rows"},
                        {"$replaceWith": "$rows"},
                        {
                            "$group": {
                                "_id": "$key",
                                **{n: {"$sum": f"${n}"} for n in (*_ENTRIES, *_COUNTED)},
                                **{n: {"$max": f"${n}"} for n in (*_NAMES, "last")},
                                "first": {"$min": "$first"},
                            }
                        },
                    ],
                )
        await self._write(period, state, rows)

    async def _write(
        self,
        period: Period,
        state: RollupState,
        rows: Mapping[str, list[dict[str, Any]]],
        *,
        entries: int | None = None,
    ) -> None:
        writes = []
        for view in VIEWS:
            document: dict[str, Any] = {
                "_id": f"{view}|{period.level}|{period.start}",
                "view": view,
                "level": period.level,
                "at": _at(period.start),
                "stamp": state.stamp,
                "rows": [{"key": row.pop("_id", None), **row} for row in rows[view]],
            }
            if view == TOTAL and entries is not None:
                document["entries"] = entries
            older = {"_id": document["_id"], "stamp": {"$lte": state.stamp}}
            writes.append(ReplaceOne(older, document, upsert=True))
        with writing(), _bounded():
            try:
                await self._collections().rollups.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                # What has a later stamp is newer, and stays.
                details: Mapping[str, Any] = error.details or {}
                failed = details.get("writeErrors", [])
                if details.get("writeConcernErrors") or any(
                    each["code"] != _DUPLICATE_KEY for each in failed
                ):
                    raise

    async def unmark(self, hour: int, state: RollupState) -> None:
        """Take away this very mark."""
        name = f"marks.{hour}"
        with writing():
            await self._collections().rollups.update_one(
                {**_STATE, name: state.marks[hour]}, {"$unset": {name: ""}, "$inc": {"stamp": 1}}
            )

    async def advance(self, before: RollupState, after: RollupState) -> None:
        """Compare and set."""
        names = ("through", "summed", "calendar")
        changed = {name: getattr(after, name) for name in names}
        if before == RollupState():
            with writing():
                try:
                    await self._collections().rollups.insert_one(
                        {**_STATE, **_NOTHING, "stamp": 0, **changed}
                    )
                except DuplicateKeyError:
                    return  # another node was first
            return
        expected = {name: getattr(before, name) for name in names}
        with writing():
            await self._collections().rollups.update_one(
                {**_STATE, "stamp": before.stamp, **expected}, {"$set": changed}
            )

    async def recount(self, since: int, until: int) -> set[int]:
        """Count by the index of times alone, and compare."""
        at = self._collections()
        state = await self.state()
        time = {"$gte": _at(since), "$lt": _at(until)}
        of_entry = {"$toLong": "$operateTime"}
        hour = {"$subtract": [of_entry, {"$mod": [of_entry, HOUR_MS]}]}
        span = {"view": TOTAL, "level": HOURS, "at": time, "stamp": {"$gte": state.generation}}
        with reading():
            times: list[dict[str, Any]] = [
                {"$match": {"operateTime": time}},
                {"$project": {"_id": 0, "operateTime": 1}},
            ]
            counted = await all_of(
                at.logs,
                [
                    *(await places(at)).both(times),
                    {"$group": {"_id": hour, "entries": {"$sum": 1}}},
                ],
            )
            known = await at.rollups.find(span, {"at": 1, "entries": 1}).to_list(None)
        return different(
            {int(each["_id"]): each["entries"] for each in counted},
            {milliseconds(each["at"]): each.get("entries", 0) for each in known},
        )

    async def mark(self, hours: set[int], mark: str | None = None) -> None:
        """Mark hours, and advance the stamp, in one write."""
        marks = {f"marks.{hour}": mark or str(ObjectId()) for hour in hours}
        with writing():
            await self._collections().rollups.update_one(
                _STATE,
                {"$set": marks, "$inc": {"stamp": 1}, "$setOnInsert": _NOTHING},
                upsert=True,
            )

    async def restart(self) -> None:
        """Let nothing count that was rolled up before."""
        new = {"$add": [{"$ifNull": ["$stamp", 0]}, 1]}
        fields = {**_NOTHING, "stamp": new, "generation": new}
        with writing():
            await self._collections().rollups.update_one(
                _STATE, [{"$unset": "marks"}, {"$set": fields}], upsert=True
            )


def _by_view(view: str) -> dict[str, Any]:
    dimension = VIEWS[view]
    grouped = sums()
    for kind in TYPES:
        such = {"$eq": ["$changeType", kind]}
        grouped[f"{kind}_entries"] = {"$sum": {"$cond": [such, 1, 0]}}
        if dimension is not None and (name := name_key(dimension)) is not None:
            grouped[f"{kind}_name"] = {"$max": {"$cond": [such, f"${name}", None]}}
    key = None if dimension is None else log_key(dimension)
    return {"$group": {"_id": key, **grouped}}


def _at(since_start: int) -> datetime:
    return datetime.fromtimestamp(since_start / 1000, UTC)
