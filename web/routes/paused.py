"""All that is paused: what waits there, since when, and who paused it, and why."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from web.app_context import CONTEXT
from web.cluster.hop import in_time
from web.observe.pauses import pause_fields, pause_notes
from web.openapi import parameters
from web.openapi.models.operators import PausedAll, PausedOrder, PausedOrders
from web.route import API, LATE, Route
from web.wire import merging
from web.wire.queries import parse_limit
from web.wire.replies import success

if TYPE_CHECKING:
    from aiohttp import web

_LAST: Final = datetime.max.replace(tzinfo=UTC)


async def paused(request: web.Request) -> web.Response:
    """List the orders that are paused alone, and whether all are: since when, by whom, and why."""
    node = request.app[CONTEXT].node
    region, counts = node.region, node.region.statistics()
    of_each = await in_time(request, region.waits_for(counts.paused_orders))
    waits = dict(zip(counts.paused_orders, of_each, strict=True))
    oldest_first = sorted(waits, key=lambda each: waits[each].oldest or _LAST)
    shown = oldest_first[: parse_limit(request.query)]
    stored = await pause_notes(node.store, shown)
    notes, numbers = stored or ({}, {})
    everything: dict[str, Any] = {
        **pause_fields(notes),
        "waiting": counts.waiting + counts.delayed,
    }
    orders = [
        {
            "workOrderId": each,
            "workOrderNo": numbers.get(each),
            **pause_fields(notes, each),
            **asdict(waits[each]),
        }
        for each in shown
    ]
    data: PausedOrders = {
        "all": cast("PausedAll", everything) if counts.paused else None,
        "total": len(waits),
        "orders": cast("list[PausedOrder]", orders),
        "storeRead": stored is not None,
    }
    return success(request, data, "OK.paused")


ROUTES: Final = (
    Route(
        name="paused",
        method="GET",
        path=f"{API}/paused",
        handler=paused,
        large=True,
        needs="owner",
        merge=merging.paused,
        tag="Orders",
        reply=PausedOrders,
        text="OK.paused",
        failures=LATE,
        parameters=(parameters.LIMIT,),
    ),
)
