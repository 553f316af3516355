"""The live actors as operators see them: lists, figures, what stands out, and one of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from actors.errors import StoreUnavailable, WorkOrderNotFound
from actors.store import LogQuery
from web.app_context import CONTEXT
from web.openapi import parameters
from web.openapi.models.actors import ActorPage, HotActors, LiveActor, RestingActor
from web.openapi.models.figures import ActorStats
from web.route import UNREAD, Route
from web.wire import merging
from web.wire.dates import moment_text
from web.wire.naming import named_order
from web.wire.queries import MAX_PAGE_BYTES, page_fields, parse_actor_query, parse_count
from web.wire.replies import success

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from actors.domain.model import WorkOrderId
    from actors.engine import Engine
    from actors.operators.rows import ActorRow, ActorView
    from actors.telemetry.journal import Event
    from actors.telemetry.telemetry import Latency, Telemetry
    from web.openapi.models import actors as models
    from web.openapi.models import figures
    from web.openapi.models.figures import Commits, UpdateCounts

_SHOWN: Final = 50
_STORE_S: Final = 1.0
"""What a store that hangs may take of an operator's time; the rest is shown without it."""


async def actors(request: web.Request) -> web.Response:
    """Show a page of the live actors."""
    query = parse_actor_query(request.query)
    total, rows = await request.app[CONTEXT].node.inspector().page(query)
    data = {
        **page_fields(total, query.page, query.page_size),
        "actors": [_row(row) for row in rows],
    }
    return success(request, data, "OK.actors")


async def stats(request: web.Request) -> web.Response:
    """Show the figures of all actors; times in milliseconds, of the last minute."""
    node = request.app[CONTEXT].node
    summary = await node.inspector().summary()
    telemetry, counts = node.telemetry, node.region.statistics()
    depths = summary.depths
    data: ActorStats = {
        "node": node.node_id,
        "epoch": node.status().epoch,
        "live": sum(summary.states.values()),
        "states": summary.states,
        "paused": counts.paused,
        "pausedOrders": len(counts.paused_orders),
        "mailboxes": {
            "waiting": sum(depths),
            "notEmpty": len(depths),
            "max": depths[-1] if depths else 0,
            "p50": _at(depths, 50),
            "p90": _at(depths, 90),
            "p99": _at(depths, 99),
            "oldestWaitMs": _ms(summary.oldest_s),
        },
        "timesMs": {name: _latency(each) for name, each in telemetry.latencies().items()},
        "updates": _updates(telemetry),
        "commits": _commits(telemetry),
        "outboxes": {"orders": summary.outboxes, "entries": summary.outbox_entries},
        "jobs": {"waiting": counts.jobs or 0},
        "actors": {
            "created": telemetry.actors.created,
            "passivated": telemetry.actors.passivated,
            "restarted": telemetry.actors.restarted,
            "unknownOrders": telemetry.actors.unknown,
        },
    }
    return success(request, data, "OK.actor_stats")


async def hot(request: web.Request) -> web.Response:
    """Show the actors that stand out."""
    found = await request.app[CONTEXT].node.inspector().hot(parse_count(request.query))
    data: HotActors = {
        "deepest": [_row(row) for row in found.deepest],
        "slowest": [_row(row) for row in found.slowest],
        "busiest": [_row(row) for row in found.busiest],
    }
    return success(request, data, "OK.hot")


async def actor(request: web.Request) -> web.Response:
    """Show one order's actor, and what became of the order's last updates."""
    order_id = await named_order(request)
    node = request.app[CONTEXT].node
    inspector = node.inspector()
    view = await inspector.one(order_id)
    latest = await inspector.latest(order_id)
    order, logged = await _stored(node, order_id)
    if view is None and order is None and logged is not None:
        raise WorkOrderNotFound(order_id)
    number = order.get("workOrderNo") if order else None
    data = {
        "workOrderId": order_id,
        "workOrderNo": number,
        "live": view is not None,
        **(_view(view) if view else await _resting(node, order_id)),
        "updates": _merged(latest, logged or (), number),
        "logRead": logged is not None,
    }
    return success(request, data, "OK.actor")


async def _stored(
    node: Engine, order_id: WorkOrderId
) -> tuple[Mapping[str, Any] | None, Sequence[Mapping[str, Any]] | None]:
    """Read the order and the end of its log; neither when the store does not answer now."""
    query = LogQuery(order_id, page_size=_SHOWN, max_bytes=MAX_PAGE_BYTES)
    try:
        async with asyncio.timeout(_STORE_S):
            order, page = await asyncio.gather(
                node.store.detail(order_id), node.store.log_page(query)
            )
    except (StoreUnavailable, TimeoutError):
        return None, None
    return order, page.logs


def _merged(
    latest: Sequence[Event], logs: Sequence[Mapping[str, Any]], number: str | None
) -> list[models.Event]:
    """Return the last updates, newest first: those of this node, and older ones from the log."""
    rows = [event_fields(each, number) for each in latest]
    known = {row["jobId"] for row in rows if row["event"] == "applied"}
    rows += [_log_fields(each) for each in logs if each["_id"] not in known]
    rows.sort(key=lambda row: str(row["at"]), reverse=True)
    return rows[:_SHOWN]


def event_fields(noted: Event, number: str | None = None) -> models.Event:
    """Return what happened as operators read it, with the order's number where it is known."""
    return {
        "at": moment_text(noted.at),
        "event": noted.event,
        "workOrderId": noted.work_order_id,
        "workOrderNo": number,
        "jobId": noted.job_id,
        "type": noted.type,
        "quantity": noted.quantity,
        "afterQuantity": noted.after,
        "seq": noted.seq or None,
        "code": noted.code,
        "detail": noted.detail or None,
        "tookMs": _ms(noted.took_s),
        "requestId": noted.request_id or None,
    }


def _log_fields(entry: Mapping[str, Any]) -> models.Event:
    at: datetime = entry["operateTime"]
    return {
        "at": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "event": "applied",
        "workOrderId": entry.get("workOrderId"),
        "workOrderNo": entry.get("workOrderNo"),
        "jobId": entry["_id"],
        "type": entry.get("changeType"),
        "quantity": entry.get("changeQuantity"),
        "afterQuantity": entry.get("afterQuantity"),
        "seq": entry.get("seq"),
    }


def _row(row: ActorRow) -> models.ActorRow:
    return {
        "workOrderId": row.work_order_id,
        "workOrderNo": row.work_order_no,
        "state": row.state,
        "depth": row.depth,
        "oldestWaitMs": _ms(row.oldest_s),
        "ratePerSecond": round(row.rate, 3),
        "tookMs": _ms(row.took_s),
        "slowMs": _ms(row.slow_s),
        "handled": row.handled,
        "failed": row.failed,
        "lastActive": row.last_active,
    }


def _view(view: ActorView) -> dict[str, Any]:
    fields: dict[str, Any] = {**_row(view.row)}
    if fields["workOrderNo"] is None:
        del fields["workOrderNo"]  # the stored order knows it
    return {
        **fields,
        "paused": view.paused,
        "doing": view.actor.doing,
        "doingForMs": None if view.busy_s is None else _ms(view.busy_s),
        "doingJobId": view.job_id,
        "loaded": view.actor.loaded,
        "seq": view.actor.seq,
        "epoch": view.actor.epoch,
        "madeAt": view.made_at,
        "waitedMs": _ms(view.waited_s),
        "handlingMs": _ms(view.handling_s),
        "outbox": {"entries": view.outbox, "stored": view.kept_outbox},
    }


async def _resting(node: Engine, order_id: WorkOrderId) -> dict[str, Any]:
    region = node.region
    (waits,) = await region.waits_for([order_id])
    age = datetime.now(UTC) - waits.oldest if waits.oldest else timedelta()
    return {
        "paused": region.statistics().paused or region.is_paused(order_id),
        "depth": waits.waiting,
        "oldestWaitMs": max(0.0, _ms(age.total_seconds())),
    }


def _updates(telemetry: Telemetry) -> UpdateCounts:
    counts = dict.fromkeys(("applied", "replayed", "duplicate", "refused", "failed"), 0)
    for (event, _), count in telemetry.outcomes.items():
        counts[event] += count
    codes = {
        code: count
        for (event, code), count in telemetry.outcomes.items()
        if event in ("refused", "failed")
    }
    return {
        "applied": counts["applied"],
        "replayed": counts["replayed"],
        "duplicate": counts["duplicate"],
        "refused": counts["refused"],
        "failed": counts["failed"],
        "byCode": codes,
        "perSecond": round(telemetry.rate(), 1),
    }


def _commits(telemetry: Telemetry) -> Commits:
    stats = telemetry.commits
    batches = stats.batches
    return {
        "orders": stats.commits,
        "entries": stats.entries,
        "batches": batches.batches,
        "meanBatch": round(batches.items / batches.batches, 1) if batches.batches else 0,
        "largestBatch": batches.largest,
        "conflicts": stats.conflicts,
        "retries": stats.retries,
        "fenced": stats.fenced,
        "relayErrors": stats.relay_errors,
    }


def _latency(spread: Latency) -> figures.Latency:
    return {
        "count": spread.count,
        "p50": _ms(spread.p50_s),
        "p90": _ms(spread.p90_s),
        "p99": _ms(spread.p99_s),
        "longest": _ms(spread.longest_s),
    }


def _at(ascending: Sequence[int], share: int) -> int:
    return ascending[len(ascending) * share // 100] if ascending else 0


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


ROUTES: Final = (
    Route(
        name="actors",
        method="GET",
        large=True,
        path="/api/actors",
        handler=actors,
        needs="owner",
        merge=merging.actors,
        tag="Actors",
        reply=ActorPage,
        text="OK.actors",
        failures=("INVALID_ACTOR_QUERY",),
        parameters=parameters.ACTORS,
    ),
    Route(
        name="actorStats",
        method="GET",
        path="/api/actors/stats",
        handler=stats,
        needs="owner",
        merge=merging.added,
        tag="Actors",
        reply=ActorStats,
        text="OK.actor_stats",
    ),
    Route(
        name="hotActors",
        method="GET",
        large=True,
        path="/api/actors/hot",
        handler=hot,
        needs="owner",
        merge=merging.hot,
        tag="Actors",
        reply=HotActors,
        text="OK.hot",
        parameters=(parameters.COUNT,),
    ),
    Route(
        name="actor",
        method="GET",
        large=True,
        path="/api/actors/{id}",
        handler=actor,
        needs="owner",
        scope="order",
        tag="Actors",
        reply=LiveActor | RestingActor,
        text="OK.actor",
        failures=("INVALID_WORK_ORDER_ID", "WORK_ORDER_NOT_FOUND", *UNREAD),
        parameters=(parameters.ORDER_ID,),
    ),
)
