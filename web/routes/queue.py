"""What operators see and do: the mailboxes under the names that the queue had."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from web.app_context import CONTEXT
from web.cluster.hop import in_time
from web.wire.bodies import read_object
from web.wire.queries import parse_limit
from web.wire.replies import success
from web.wire.schemas import parse_grace

if TYPE_CHECKING:
    from aiohttp import web


_ROWS_AT_ONCE = 1_000
"""Made before other requests get their turn."""


async def stats(request: web.Request) -> web.Response:
    """Count updates by what becomes of them."""
    counts = request.app[CONTEXT].node.region.statistics()
    data = {
        "waiting": counts.waiting,
        "active": counts.active,
        "completed": counts.completed,
        "failed": counts.failed,
        "delayed": counts.delayed,
        "total": counts.waiting + counts.active + counts.delayed,
        "paused": counts.paused,
        "pausedOrders": counts.paused_orders,
    }
    return success(request, data, "OK.stats")


async def locks(request: web.Request) -> web.Response:
    """List the orders that live actors hold, oldest first; `ttl` and `age` in milliseconds."""
    limit = parse_limit(request.query)
    node = request.app[CONTEXT].node
    status = node.status()
    total, held = node.region.held(limit)
    # An order is held for as long as its node has the lease; without expiry there is no ttl.
    ttl = None if status.lease_ttl_s is None else max(0, round(status.lease_ttl_s * 1000))
    now = datetime.now(UTC)
    rows = []
    for number, each in enumerate(held, 1):
        row = {
            "workOrderId": each.work_order_id,
            "workerId": status.node,
            "timestamp": int(each.since.timestamp() * 1000),
            "ttl": ttl,
            "age": max(0, round((now - each.since).total_seconds() * 1000)),
        }
        rows.append(row)
        if number % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    return success(request, {"total": total, "locks": rows}, "OK.locks")


async def clean(request: web.Request) -> web.Response:
    """Forget finished updates that are older than the body's `grace`, never waiting ones."""
    grace_s = parse_grace(await read_object(request))
    node = request.app[CONTEXT].node
    await in_time(request, node.jobs.clean(grace_s))
    node.region.clean(grace_s)
    return success(request, {"grace": round(grace_s * 1000)}, "OK.clean")


async def pause(request: web.Request) -> web.Response:
    """Stop the processing of updates, durably."""
    await in_time(request, request.app[CONTEXT].node.region.pause())
    return success(request, {"paused": True}, "OK.pause")


async def resume(request: web.Request) -> web.Response:
    """Process updates again."""
    await in_time(request, request.app[CONTEXT].node.region.resume())
    return success(request, {"paused": False}, "OK.resume")


async def clean_locks(request: web.Request) -> web.Response:
    """Remove a lease that would never expire; one that a live node holds stays."""
    cleaned = await request.app[CONTEXT].node.clean_locks()
    return success(
        request, {"cleaned": cleaned}, "OK.clean_locks", {"cleaned": cleaned}, cleaned=cleaned
    )
