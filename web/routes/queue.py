"""What operators see and do: the mailboxes under the names that the queue had."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from web.app_context import CALL, CONTEXT
from web.cluster.hop import in_time
from web.observe.pauses import forget_pause, note_pause
from web.openapi import parameters
from web.openapi.models.operators import Cleaned, CleanedLocks, Locks, Paused, QueueStats
from web.route import API, JSON_BODY, LATE, Body, Route
from web.wire import merging
from web.wire.bodies import read_object
from web.wire.naming import live_numbers
from web.wire.queries import parse_limit
from web.wire.replies import success
from web.wire.schemas import CleanBody, parse_grace

if TYPE_CHECKING:
    from aiohttp import web

    from web.openapi.models.operators import Lock


_ROWS_AT_ONCE = 1_000
"""Made before other requests get their turn."""


async def stats(request: web.Request) -> web.Response:
    """Count updates by what becomes of them."""
    counts = request.app[CONTEXT].node.region.statistics()
    data: QueueStats = {
        "waiting": counts.waiting,
        "active": counts.active,
        "completed": counts.completed,
        "failed": counts.failed,
        "delayed": counts.delayed,
        "total": counts.waiting + counts.active + counts.delayed,
        "paused": counts.paused,
        "pausedOrders": [*counts.paused_orders],
    }
    return success(request, data, "OK.stats")


async def locks(request: web.Request) -> web.Response:
    """List the orders that live actors hold, oldest first; `ttl` and `age` in milliseconds."""
    limit = parse_limit(request.query)
    node = request.app[CONTEXT].node
    status = node.status()
    total, held = await node.region.held(limit)
    numbers = await live_numbers(node, (each.work_order_id for each in held))
    # An order is held for as long as its node has the lease; without expiry there is no ttl.
    ttl = None if status.lease_ttl_s is None else max(0, round(status.lease_ttl_s * 1000))
    now = datetime.now(UTC)
    rows: list[Lock] = []
    for number, each in enumerate(held, 1):
        row: Lock = {
            "workOrderId": each.work_order_id,
            "workOrderNo": numbers.get(each.work_order_id),
            "workerId": status.node,
            "timestamp": int(each.since.timestamp() * 1000),
            "ttl": ttl,
            "age": max(0, round((now - each.since).total_seconds() * 1000)),
        }
        rows.append(row)
        if number % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    data: Locks = {"total": total, "locks": rows}
    return success(request, data, "OK.locks")


async def clean(request: web.Request) -> web.Response:
    """Forget finished updates that are older than the body's `grace`, never waiting ones."""
    grace_s = parse_grace(await read_object(request))
    await in_time(request, request.app[CONTEXT].node.clean(grace_s))
    request[CALL].about["grace"] = round(grace_s * 1000)
    return success(request, {"grace": round(grace_s * 1000)}, "OK.clean")


async def pause(request: web.Request) -> web.Response:
    """Stop the processing of updates, durably."""
    await in_time(request, request.app[CONTEXT].node.region.pause())
    await note_pause(request, None)
    return success(request, {"paused": True}, "OK.pause")


async def resume(request: web.Request) -> web.Response:
    """Process updates again."""
    await in_time(request, request.app[CONTEXT].node.region.resume())
    await forget_pause(request, None)
    return success(request, {"paused": False}, "OK.resume")


async def clean_locks(request: web.Request) -> web.Response:
    """Remove a lease that would never expire; one that a live node holds stays."""
    node = request.app[CONTEXT].node
    cleaned = await node.clean_locks()
    request[CALL].about["cleaned"] = cleaned
    note = None if cleaned else node.status().lease_note
    text = "OK.clean_locks" if note is None else "OK.clean_locks.noted"
    params = {"cleaned": cleaned, "note": note}
    return success(request, {"cleaned": cleaned}, text, params, cleaned=cleaned)


ROUTES: Final = (
    Route(
        name="queueStats",
        method="GET",
        path=f"{API}/queue/stats",
        handler=stats,
        needs="owner",
        merge=merging.added,
        tag="Queue",
        reply=QueueStats,
        text="OK.stats",
    ),
    Route(
        name="queueLocks",
        method="GET",
        path=f"{API}/queue/locks",
        handler=locks,
        large=True,
        needs="owner",
        merge=merging.locks,
        tag="Queue",
        reply=Locks,
        text="OK.locks",
        parameters=(parameters.LIMIT,),
    ),
    Route(
        name="queueClean",
        method="POST",
        path=f"{API}/queue/clean",
        audit="clean",
        handler=clean,
        needs="owner",
        merge=merging.first,
        tag="Queue",
        reply=Cleaned,
        text="OK.clean",
        failures=(*JSON_BODY, "INVALID_GRACE", *LATE),
        body=Body(CleanBody, {"all": {"grace": 0}}, required=False),
        parameters=(parameters.REASON,),
    ),
    Route(
        name="queuePause",
        method="POST",
        path=f"{API}/queue/pause",
        audit="pause",
        handler=pause,
        needs="owner",
        merge=merging.first,
        tag="Queue",
        reply=Paused,
        text="OK.pause",
        failures=LATE,
        parameters=(parameters.REASON,),
    ),
    Route(
        name="queueResume",
        method="POST",
        path=f"{API}/queue/resume",
        audit="resume",
        handler=resume,
        needs="owner",
        merge=merging.first,
        tag="Queue",
        reply=Paused,
        text="OK.resume",
        failures=LATE,
        parameters=(parameters.REASON,),
    ),
    Route(
        name="queueCleanLocks",
        method="POST",
        path=f"{API}/queue/clean-locks",
        audit="repair",
        handler=clean_locks,
        tag="Nodes",
        reply=CleanedLocks,
        text="OK.clean_locks",
        failures=("SERVICE_UNAVAILABLE",),
        extra={"cleaned": 0},
        parameters=(parameters.REASON,),
    ),
)
