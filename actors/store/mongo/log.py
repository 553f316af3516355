"""A page of an order's log in MongoDB, with what only the order's outbox has merged in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from actors.runtime.slices import in_slices
from actors.store.mongo.places import Both, places
from actors.store.mongo.reads import fetch
from actors.store.pages import within
from actors.store.port import LogPage, LogQuery, OperationQuery
from actors.store.schema import OURS
from actors.store.values import count_from, is_far_time, mapping_from, order_time
from actors.store.views import log_row, operation_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.store.mongo.reads import Collections

    Document = Mapping[str, Any]

_NEWEST_FIRST = {"operateTime": -1, f"{OURS}.seq": -1, "_id": -1}


async def log_page(at: Collections, query: LogQuery) -> LogPage:
    """Read the page; the outbox first, for what leaves it meanwhile is in the log then.

    What the outbox has is left out of the log, where it may arrive at any moment: else it would
    be shown twice, or not at all.
    """
    order_id = ObjectId(query.work_order_id)
    order = await at.orders.find_one({"_id": order_id}, {f"{OURS}.outbox": 1})
    pending = _matching_entries(order, query)
    condition = _condition(order_id, query, pending)
    log = at.logs
    # Before the log: entries that begin to leave it now are there longer than this takes.
    if await at.archive.find_one({"workOrderId": order_id}, {"_id": 1}) is not None:
        log = Both(at, await places(at))
    start = (query.page - 1) * query.page_size
    offset = max(0, start - len(pending))
    limit = start + query.page_size - offset
    if isinstance(log, Both):
        found = await log.find(condition, _NEWEST_FIRST, offset, limit)
    else:
        found = log.find(condition).sort(list(_NEWEST_FIRST.items())).skip(offset).limit(limit)
    rows, more = await fetch(found, query.max_bytes, at_least=1 + start - offset)
    in_log = offset + len(rows)
    if more or len(rows) == limit or (offset and not rows):  # else they are the oldest
        in_log = await log.count_documents(condition)
    page = _merge(rows, pending, offset, start) if pending else rows
    if more:  # and between what was fetched and what is older
        last = _newest_first(rows[-1])
        page = [each for each in page if _newest_first(each) >= last]
    shown = within(page[: query.page_size], query.max_bytes)
    return LogPage(in_log + len(pending), tuple(await in_slices(log_row, shown)))


async def operations(orders: Any, log: Any, query: OperationQuery) -> list[dict[str, Any]]:  # noqa: ANN401
    """Do `Store.operations`; the outbox first, as for the log."""
    order_id = ObjectId(query.work_order_id)
    order = await orders.find_one({"_id": order_id}, {f"{OURS}.outbox": 1})
    last = {} if query.last is None else {"$lte": query.last}
    condition = {"workOrderId": order_id, f"{OURS}.seq": {"$gte": query.first, **last}}
    newest = log.find(condition).sort([("operatedAt", -1), ("_id", -1)]).limit(query.limit)
    found = {each["_id"]: each for each in await newest.to_list(None)}
    for each in _outbox_of(order):
        seq = count_from(mapping_from(each.get(OURS)).get("seq")) or 0
        if each.get("operation") and query.has(seq):
            found[each["_id"]] = each
    rows = sorted(found.values(), key=lambda each: (each["operatedAt"], each["_id"]), reverse=True)
    return [operation_row(each) for each in rows[: query.limit]]


def _condition(order_id: ObjectId, query: LogQuery, pending: Sequence[Document]) -> dict[str, Any]:
    condition: dict[str, Any] = {"workOrderId": order_id}
    if pending:
        condition["_id"] = {"$nin": [entry["_id"] for entry in pending]}
    if query.change_type is not None:
        condition["changeType"] = query.change_type
    between = {"$gte": query.since, "$lte": query.until}
    limits = {operator: value for operator, value in between.items() if value is not None}
    if limits:
        condition["operateTime"] = limits
    return condition


def _matching_entries(order: Document | None, query: LogQuery) -> list[Document]:
    return [each for each in _outbox_of(order) if _matches(each, query)]


def _outbox_of(order: Document | None) -> list[Document]:
    outbox = mapping_from((order or {}).get(OURS)).get("outbox")
    entries = outbox if isinstance(outbox, list) else ()
    return [each for each in entries if isinstance(each, Mapping)]


def _matches(entry: Document, query: LogQuery) -> bool:
    at = entry.get("operateTime")
    return (
        at is not None  # a refusal has none
        and entry.get("_id") is not None
        and query.change_type in (None, entry.get("changeType"))
        and (query.since is None or order_time(at) >= query.since)
        and (query.until is None or order_time(at) <= query.until)
    )


def _merge(
    rows: Sequence[Document], pending: Sequence[Document], offset: int, start: int
) -> list[Document]:
    """Merge two newest-first parts; the result begins at position `start` of the whole.

    `rows` are the log's from position `offset` on, `offset` being `start` less the number of
    pending entries (at least 0). Of those, the ones newer than the first row stand before it,
    and so before `start`; without rows the page is beyond the end.
    """
    if offset and not rows:
        return []
    before = 0
    if offset:
        first = _newest_first(rows[0])
        older = [entry for entry in pending if _newest_first(entry) < first]
        before = len(pending) - len(older)
        pending = older
    merged = sorted([*rows, *pending], key=_newest_first, reverse=True)
    return merged[start - offset - before :]


def _newest_first(entry: Document) -> tuple[int, datetime, int, str]:
    """Order as MongoDB does: times before all else, then by seq and id."""
    at = entry.get("operateTime")
    is_time = isinstance(at, datetime) or is_far_time(at)
    seq = count_from(mapping_from(entry.get(OURS)).get("seq")) or 0
    return (int(is_time), order_time(at), seq, str(entry["_id"]))
