"""The past of the service, in columns, as graphs want it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from actors.errors import StoreUnavailable
from actors.operators.history import moments
from actors.operators.past import HOUR, HOUR_S, MINUTE, MINUTE_S, read_marks, read_past
from actors.telemetry.samples import SAMPLED_EVERY_S
from web.app_context import CONTEXT
from web.openapi import parameters
from web.openapi.models.figures import History
from web.route import Route
from web.wire.dates import moment_text
from web.wire.queries import parse_minutes, parse_range
from web.wire.replies import success

if TYPE_CHECKING:
    from aiohttp import web

    from actors.engine import Engine
    from actors.operators.history import Moment
    from actors.operators.past import Mark

_STORE_S: Final = 2.0
_DAY_S: Final = 24 * HOUR_S


async def history(request: web.Request) -> web.Response:
    """Show what was done and what waited: five minutes to a week, before this owner too."""
    minutes = parse_range(request.query)
    node = request.app[CONTEXT].node
    span_s = MINUTE_S * (minutes or parse_minutes(request.query))
    every_s, found, marks = await _rows(node, span_s, stored=minutes is not None)
    data: History = {
        "node": node.node_id,
        "everyS": every_s,
        "at": [moment_text(each.at) for each in found],
        "applied": [round(each.applied, 1) for each in found],
        "refused": [round(each.refused, 1) for each in found],
        "failed": [round(each.failed, 1) for each in found],
        "p50Ms": [_ms(each.p50_s) for each in found],
        "p99Ms": [_ms(each.p99_s) for each in found],
        "waiting": [each.gauges.waiting for each in found],
        "active": [each.gauges.active for each in found],
        "live": [each.gauges.live for each in found],
        "paused": [each.gauges.paused for each in found],
        "marks": [{"at": each.at, "what": each.what, "text": each.text} for each in marks],
    }
    return success(request, data, "OK.history")


async def _rows(node: Engine, span_s: int, *, stored: bool) -> tuple[int, list[Moment], list[Mark]]:
    """Return how far rows lie apart (s), the rows, and the marks between them.

    Of the last hour those of this node's memory, and before these the minutes that are kept.
    """
    since = time.time() - span_s
    moment = datetime.fromtimestamp(since, UTC)
    fine = moments(node.telemetry.samples, since) if span_s <= HOUR_S else []
    every_s = round(SAMPLED_EVERY_S) if span_s <= HOUR_S else MINUTE_S
    if not stored:
        return every_s, fine, []
    kind = MINUTE if span_s <= _DAY_S else HOUR
    kept: list[Moment] = []
    marks: list[Mark] = []
    with suppress(StoreUnavailable, TimeoutError):
        async with asyncio.timeout(_STORE_S):
            kept, marks = await asyncio.gather(
                read_past(node.store.records, kind, moment), read_marks(node.store.records, moment)
            )
    before = [each for each in kept if not fine or each.at < fine[0].at]
    return HOUR_S if kind == HOUR else every_s, [*before, *fine], marks


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
        failures=("INVALID_ACTOR_QUERY",),
        parameters=(parameters.MINUTES, parameters.RANGE),
    ),
)
