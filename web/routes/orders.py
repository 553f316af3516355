"""Read orders and their logs, straight from the store: every node can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.errors import NotOwner, WorkOrderNotFound
from actors.store.port import Found, OperationQuery, Trait
from web.app_context import CONTEXT
from web.openapi import parameters
from web.openapi.models import work_orders as models
from web.route import API, NO_ORDER, UNREAD, Route
from web.wire import merging
from web.wire.json_body import encode_rows
from web.wire.naming import named_order
from web.wire.queries import bounded_page_fields, parse_log_query, parse_search, wants_operations
from web.wire.replies import success
from web.wire.turns import reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from aiohttp import web

    from actors.domain.model import WorkOrderId
    from actors.engine import Engine
    from actors.store import LogPage, LogQuery, Store
    from web.wire.queries import SearchQuery

_SHORTEST_PART: Final = 3
"""Characters: a shorter text is in too many numbers."""


async def detail(request: web.Request) -> web.Response:
    """Show an order."""
    order_id = await named_order(request)
    async with reading(request, 1):
        order = await request.app[CONTEXT].node.store.detail(order_id)
    if order is None:
        raise WorkOrderNotFound(order_id)
    return success(request, order, "OK.detail")


async def search(request: web.Request) -> web.Response:
    """Find orders by number, id, barcode, key or operator; without a text, list the newest."""
    query = parse_search(request.query)
    node = request.app[CONTEXT].node
    async with reading(request, query.limit + 1):
        found = await _search(node.store, query._replace(limit=query.limit + 1))
    data: models.FoundOrders = {
        "more": len(found.orders) > query.limit,
        "allSearched": found.all_searched,
        "orders": [await _found(node, each) for each in found.orders[: query.limit]],
    }
    return success(request, data, "OK.search")


async def _search(store: Store, query: SearchQuery) -> Found:
    """Search as asked; by number, what only has the text in it comes behind what begins so."""
    text, trait, limit = query
    if trait is not None and text:
        return await store.search_by(trait, text, limit)
    first = await store.search(text, limit)
    if len(first) >= limit or len(text) < _SHORTEST_PART:
        return Found(tuple(first), all_searched=True)
    others = await store.search_by(Trait.PART, text, limit)
    found = {each["id"]: each for each in (*first, *others.orders)}
    return Found(tuple(found.values())[:limit], others.all_searched)


async def _found(node: Engine, order: Mapping[str, Any]) -> models.FoundOrder:
    order_id = order["id"]
    return {
        "id": order_id,
        "workOrderNo": order["workOrderNo"],
        "materialName": order["materialName"],
        "status": order["status"],
        "planQuantity": order["planQuantity"],
        "inputQuantity": order["inputQuantity"],
        "outputQuantity": order["outputQuantity"],
        "progress": order["progress"],
        "live": await _is_live(node, order_id),
        "paused": node.region.is_paused(order_id),
    }


async def _is_live(node: Engine, order_id: WorkOrderId) -> bool:
    try:
        return await node.inspector().has(order_id)
    except NotOwner:
        return False


async def quantity_logs(request: web.Request) -> web.Response:
    """Show a page of an order's log, newest first."""
    order_id = await named_order(request)
    query = parse_log_query(order_id, request.query, request.app[CONTEXT].options.time_zone)
    async with reading(request, query.page_size):
        store = request.app[CONTEXT].node.store
        page = await store.log_page(query)
        data: dict[str, object] = {
            "success": True,
            **bounded_page_fields(page.total, query.page, query.page_size, len(page.logs)),
            "logs": await encode_rows(page.logs),
        }
        if wants_operations(request.query):
            beside = _beside(query, page)
            data["operations"] = await store.operations(beside) if beside is not None else []
        return success(request, data, "OK.logs")


def _beside(query: LogQuery, page: LogPage) -> OperationQuery | None:
    """Say which operations stand between the counts of a page; None where it has none of ours."""
    seqs = [seq for each in page.logs if (seq := each["seq"]) is not None]
    is_last = query.page * query.page_size >= page.total
    if not (seqs or is_last) or (query.page > 1 and not page.logs):
        return None
    first = 0 if is_last else min(seqs)
    return OperationQuery(
        query.work_order_id, first, None if query.page == 1 else max(seqs, default=0)
    )


ROUTES: Final = (
    Route(
        name="detail",
        method="GET",
        path=f"{API}/detail/{{id}}",
        handler=detail,
        tag="Orders",
        reply=models.Order,
        text="OK.detail",
        failures=(*NO_ORDER, *UNREAD),
        parameters=(parameters.ORDER_ID,),
    ),
    Route(
        name="searchOrders",
        method="GET",
        path=f"{API}/search",
        handler=search,
        needs="view",
        merge=merging.found,
        tag="Orders",
        reply=models.FoundOrders,
        text="OK.search",
        failures=("INVALID_SEARCH", *UNREAD),
        parameters=parameters.SEARCH,
    ),
    Route(
        name="quantityLogs",
        method="GET",
        large=True,
        path=f"{API}/quantity-logs/{{id}}",
        handler=quantity_logs,
        tag="Orders",
        reply=models.LogPage,
        text="OK.logs",
        failures=("INVALID_WORK_ORDER_ID", "INVALID_TYPE", "INVALID_DATE", *UNREAD),
        parameters=(parameters.ORDER_ID, *parameters.LOG, parameters.OPERATIONS),
    ),
)
