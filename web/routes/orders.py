"""Read orders and their logs, straight from the store: every node can."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from actors.errors import WorkOrderNotFound
from web.problems import Problem, RequestError
from web.queries import parse_log_query
from web.replies import success
from web.schemas import parse_work_order_id
from web.site import SITE

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiohttp import web

_Answer = TypeVar("_Answer")
_RETRY_AFTER_S = 1


async def detail(request: web.Request) -> web.Response:
    """Show an order."""
    order_id = parse_work_order_id(request.match_info["id"])
    order = await _in_time(request, request.app[SITE].node.store.detail(order_id))
    if order is None:
        raise WorkOrderNotFound(order_id)
    return success(request, order, "OK.detail")


async def quantity_logs(request: web.Request) -> web.Response:
    """Show a page of an order's log, newest first."""
    query = parse_log_query(parse_work_order_id(request.match_info["id"]), request.query)
    page = await _in_time(request, request.app[SITE].node.store.log_page(query))
    data = {
        "success": True,
        "total": page.total,
        "page": query.page,
        "pageSize": query.page_size,
        "totalPages": -(-page.total // query.page_size),
        "logs": page.logs,
    }
    return success(request, data, "OK.logs")


async def _in_time(request: web.Request, answer: Awaitable[_Answer]) -> _Answer:
    try:
        async with asyncio.timeout(request.app[SITE].options.request_timeout_s):
            return await answer
    except TimeoutError:
        text = "SERVICE_UNAVAILABLE.read"
        raise RequestError(
            Problem("SERVICE_UNAVAILABLE", text, retry_after_s=_RETRY_AFTER_S)
        ) from None
