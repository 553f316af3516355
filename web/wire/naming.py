"""Orders as people name them: by id, or by the number on their papers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from actors.errors import StoreUnavailable, WorkOrderError
from web.app_context import CALL, CONTEXT
from web.wire.problems import RequestError, invalid
from web.wire.queries import FOUND
from web.wire.schemas import parse_work_order_id
from web.wire.turns import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import web

    from actors.domain.model import WorkOrderId
    from actors.engine import Engine

_MAX_NUMBER: Final = 100
_NAMES_S: Final = 1.0
"""What a store, or an owner, that hangs may take of an operator's time."""


async def named_order(request: web.Request) -> WorkOrderId:
    """Return the order that the path names, as `order_called` does."""
    return await order_called(request, request.match_info["id"])


async def order_called(request: web.Request, name: str, field: str = "id") -> WorkOrderId:
    """Return the order whose id or number `name` is; a number is looked up in the store.

    Raises `RequestError` where it is neither, or the number of several, and `StoreUnavailable`.
    """
    try:
        return parse_work_order_id(name, field)
    except RequestError:
        if not name.strip() or len(name) > _MAX_NUMBER:
            raise
    async with reading(request, FOUND):
        # Whatever else begins so is longer, and comes behind it.
        found = await request.app[CONTEXT].node.store.search(name, FOUND)
    ids = {each["id"] for each in found if each["workOrderNo"] == name}
    if len(ids) != 1:
        variant = "several" if ids else "number"
        raise invalid("INVALID_WORK_ORDER_ID", field, variant, name=name)
    (order_id,) = ids
    request[CALL].about["work_order_id"] = order_id
    return parse_work_order_id(order_id)


async def live_numbers(node: Engine, order_ids: Iterable[WorkOrderId]) -> Mapping[WorkOrderId, str]:
    """Return the numbers of those orders whose actors are live; none where nobody tells in time."""
    wanted = list(dict.fromkeys(order_ids))
    # A name is not worth an answer that is late, or none.
    with suppress(WorkOrderError, TimeoutError):
        async with asyncio.timeout(_NAMES_S):
            return await node.inspector().numbers(wanted) if wanted else {}
    return {}


async def numbers_of(node: Engine, order_ids: Iterable[WorkOrderId]) -> Mapping[WorkOrderId, str]:
    """Return the numbers that are known of orders: of live actors, the others from the store."""
    wanted = list(dict.fromkeys(order_ids))
    known = await live_numbers(node, wanted)
    missing = [each for each in wanted if each not in known]
    if missing:
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_NAMES_S):
                return {**known, **await node.store.numbers(missing)}
    return known
