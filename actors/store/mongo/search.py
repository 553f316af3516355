"""Orders in MongoDB found by their id or number, and by what their log has.

Numbers are looked up by the main service's own unique index of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId
from pymongo.errors import ExecutionTimeout

from actors.domain.model import WorkOrderId
from actors.store.mongo.client import cursor_of, reading
from actors.store.mongo.reads import BARCODE_INDEX, details_of
from actors.store.port import BARCODE_ENTRIES, SEARCHED_ENTRIES, Found, Trait
from actors.store.schema import OURS
from actors.store.values import order_time, text_from
from actors.store.views import id_range, number_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.store.mongo.reads import Collections

_NUMBER: Final = "workOrderNo"
_PART_MS: Final = 500
"""What looking through all numbers may take of the database's time."""


async def search(at: Collections, text: str, limit: int) -> list[Mapping[str, Any]]:
    """Do `Store.search`; both ways have an index to go by, and read no more than they give."""
    ids = id_range(text)
    found: dict[ObjectId, Mapping[str, Any]] = {}
    with reading():
        if not text:
            return await details_of(at, list((await _first(at, {}, "_id", limit, -1)).values()))
        if ids is not None:
            among = {"$gte": ObjectId(ids[0]), "$lte": ObjectId(ids[1])}
            found |= await _first(at, {"_id": among}, "_id", limit)
        among_numbers = [{_NUMBER: {"$gte": low, "$lt": high}} for low, high in number_ranges(text)]
        found |= await _first(at, {"$or": among_numbers}, _NUMBER, limit)
        return await details_of(at, list(found.values())[:limit])


async def _first(
    at: Collections, condition: Mapping[str, Any], field: str, limit: int, direction: int = 1
) -> dict[ObjectId, Mapping[str, Any]]:
    cursor = at.orders.find(condition, {OURS: 0}).sort(field, direction).limit(limit)
    return {each["_id"]: each for each in await cursor.to_list(None)}


async def numbers(at: Collections, ids: Sequence[WorkOrderId]) -> dict[WorkOrderId, str]:
    """Do `Store.numbers`."""
    condition = {"_id": {"$in": [ObjectId(each) for each in ids]}}
    with reading():
        found = await at.orders.find(condition, {_NUMBER: 1}).to_list(None)
    named = ((each["_id"], text_from(each.get(_NUMBER))) for each in found)
    return {WorkOrderId(str(id_)): number for id_, number in named if number}


async def search_by(at: Collections, trait: Trait, text: str, limit: int) -> Found:
    """Do `Store.search_by`."""
    if "\0" in text and trait in (Trait.PART, Trait.KEY):
        # The server takes no such regular expression; no number and no key has it.
        return Found((), all_searched=trait is Trait.PART)
    with reading():
        if trait is Trait.PART:
            return await _with_part(at, text, limit)
        if trait is Trait.BARCODE:
            entries, whole = await _of_barcode(at, text)
        else:
            entries, whole = [], False
            for log in (at.logs, at.archive):
                entries += await _among_the_newest(log, _condition(trait, text))
        ids = list(dict.fromkeys(each.get("workOrderId") for each in entries))[:limit]
        return Found(await _orders(at, ids), whole)


async def _of_barcode(at: Collections, text: str) -> tuple[list[Mapping[str, Any]], bool]:
    """Read the newest entries of a barcode, in log and archive, and tell if there are no others."""
    found: list[Mapping[str, Any]] = []
    whole = True
    for log in (at.logs, at.archive):
        some = await (
            log.find({"relatedBarcode": text}, {"workOrderId": 1, "operateTime": 1})
            .sort("operateTime", -1)
            .hint(BARCODE_INDEX)
            .limit(BARCODE_ENTRIES)
            .to_list(None)
        )
        found += some
        whole = whole and len(some) < BARCODE_ENTRIES
    found.sort(key=lambda each: order_time(each.get("operateTime")), reverse=True)
    return found, whole


async def _with_part(at: Collections, text: str, limit: int) -> Found:
    """Look through the index of the numbers; give up in time where it is a long one."""
    either = "|".join(re.escape(each) for each in dict.fromkeys((text, text.upper())))
    try:
        ids = await (
            at.orders.find({_NUMBER: {"$regex": either}}, {"_id": 1})
            .sort(_NUMBER, 1)
            .limit(limit)
            .max_time_ms(_PART_MS)
            .to_list(None)
        )
    except ExecutionTimeout:
        return Found((), all_searched=False)
    return Found(await _orders(at, [each["_id"] for each in ids]), all_searched=True)


async def _among_the_newest(
    log: Any,  # noqa: ANN401 -- either driver's
    condition: Mapping[str, Any],
) -> list[Mapping[str, Any]]:
    found = await cursor_of(
        log,
        [
            {"$sort": {"operateTime": -1}},
            {"$limit": SEARCHED_ENTRIES},
            {"$match": condition},
            {"$project": {"workOrderId": 1}},
        ],
    )
    return [each async for each in found]


def _condition(trait: Trait, text: str) -> dict[str, Any]:
    if trait is Trait.OPERATOR:
        return {"$or": [{"operatorId": text}, {"operatorName": text}]}
    return {f"{OURS}.requestKey": {"$regex": f"^[0-9a-f]{{24}}:{re.escape(text)}$"}}


async def _orders(at: Collections, ids: Iterable[Any]) -> tuple[Mapping[str, Any], ...]:
    """Read orders, in the order of `ids`; those that are gone are left out."""
    wanted = list(ids)
    found = await at.orders.find({"_id": {"$in": wanted}}, {OURS: 0}).to_list(None)
    places = {id_: place for place, id_ in enumerate(wanted)}
    found.sort(key=lambda each: places[each["_id"]])
    return tuple(await details_of(at, found))
