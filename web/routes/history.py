"""The last hour of the owner, in columns, as graphs want it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from actors.operators.history import moments
from actors.telemetry.samples import SAMPLED_EVERY_S
from web.app_context import CONTEXT
from web.openapi import parameters
from web.openapi.models.figures import History
from web.route import Route
from web.wire.queries import parse_minutes
from web.wire.replies import success

if TYPE_CHECKING:
    from aiohttp import web

_MINUTE_S: Final = 60


async def history(request: web.Request) -> web.Response:
    """Show what was done and what waited, over the last minutes."""
    minutes = parse_minutes(request.query)
    node = request.app[CONTEXT].node
    found = moments(node.telemetry.samples, time.time() - minutes * _MINUTE_S)
    data: History = {
        "node": node.node_id,
        "everyS": round(SAMPLED_EVERY_S),
        "at": [_moment(each.at) for each in found],
        "applied": [round(each.applied, 1) for each in found],
        "refused": [round(each.refused, 1) for each in found],
        "failed": [round(each.failed, 1) for each in found],
        "p50Ms": [_ms(each.p50_s) for each in found],
        "p99Ms": [_ms(each.p99_s) for each in found],
        "waiting": [each.gauges.waiting for each in found],
        "active": [each.gauges.active for each in found],
        "live": [each.gauges.live for each in found],
        "paused": [each.gauges.paused for each in found],
    }
    return success(request, data, "OK.history")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


ROUTES: Final = (
    Route(
        name="history",
        method="GET",
        path="/api/history",
        handler=history,
        needs="owner",
        tag="Actors",
        reply=History,
        text="OK.history",
        parameters=(parameters.MINUTES,),
    ),
)
