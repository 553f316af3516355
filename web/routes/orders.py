"""Read orders and their logs, straight from the store: every node can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.errors import NotOwner, WorkOrderNotFound
from web.app_context import CONTEXT
from web.openapi import parameters
from web.openapi.models.work_orders import FoundOrders, LogPage, Order
from web.route import API, NO_ORDER, UNREAD, Route
from web.wire import merging
from web.wire.json_body import encode_rows
from web.wire.queries import page_fields, parse_log_query, parse_search
from web.wire.replies import success
from web.wire.schemas import parse_work_order_id
from web.wire.turns import reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from aiohttp import web

    from actors.domain.model import WorkOrderId
    from actors.engine import Engine
    from web.openapi.models.work_orders import FoundOrder


async def detail(request: web.Request) -> web.Response:
    """Show an order."""
    order_id = parse_work_order_id(request.match_info["id"])
    async with reading(request, 1):
        order = await request.app[CONTEXT].node.store.detail(order_id)
    if order is None:
        raise WorkOrderNotFound(order_id)
    return success(request, order, "OK.detail")


async def search(request: web.Request) -> web.Response:
    """Find orders by the beginning of their number or id."""
    text, limit = parse_search(request.query)
    node = request.app[CONTEXT].node
    async with reading(request, limit + 1):
        found = await node.store.search(text, limit + 1) if text else ()
    data: FoundOrders = {
        "more": len(found) > limit,
        "orders": [await _found(node, each) for each in found[:limit]],
    }
    return success(request, data, "OK.search")


async def _found(node: Engine, order: Mapping[str, Any]) -> FoundOrder:
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
    order_id = parse_work_order_id(request.match_info["id"])
    query = parse_log_query(order_id, request.query, request.app[CONTEXT].options.time_zone)
    async with reading(request, query.page_size):
        page = await request.app[CONTEXT].node.store.log_page(query)
        data = {
            "success": True,
            **page_fields(page.total, query.page, query.page_size, len(page.logs)),
            "logs": await encode_rows(page.logs),
        }
        return success(request, data, "OK.logs")


ROUTES: Final = (
    Route(
        name="detail",
        method="GET",
        path=f"{API}/detail/{{id}}",
        handler=detail,
        tag="Orders",
        reply=Order,
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
        reply=FoundOrders,
        text="OK.search",
        failures=UNREAD,
        parameters=parameters.SEARCH,
    ),
    Route(
        name="quantityLogs",
        method="GET",
        large=True,
        path=f"{API}/quantity-logs/{{id}}",
        handler=quantity_logs,
        tag="Orders",
        reply=LogPage,
        text="OK.logs",
        failures=("INVALID_WORK_ORDER_ID", "INVALID_TYPE", "INVALID_DATE", *UNREAD),
        parameters=(parameters.ORDER_ID, *parameters.LOG),
    ),
)
