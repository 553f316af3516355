"""What guards would have refused, for those who decide whether to enforce them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from web.app_context import CONTEXT
from web.openapi import parameters
from web.openapi.models import guards as models
from web.route import Route
from web.wire.dates import moment_text
from web.wire.queries import parse_limit
from web.wire.replies import success

if TYPE_CHECKING:
    from aiohttp import web

    from actors.telemetry.findings import GuardFinding


async def guards(request: web.Request) -> web.Response:
    """Show the guards of counts, and the latest changes that broke one which is only watched."""
    context = request.app[CONTEXT]
    found = context.node.telemetry.guards
    limit = parse_limit(request.query)
    data: models.Guards = {
        "node": context.node.node_id,
        "guards": [
            {"guard": guard, "mode": mode, "found": found.counts[guard]}
            for guard, mode in context.options.guards.items()
        ],
        "findings": [_shown(each) for each in islice(reversed(found.latest), limit)],
    }
    return success(request, data, "OK.guards")


def _shown(found: GuardFinding) -> models.GuardFinding:
    return {
        "at": moment_text(found.at),
        "guard": found.guard,
        "workOrderId": found.work_order_id,
        "workOrderNo": found.work_order_no,
        "relatedBarcode": found.barcode,
        "type": found.type,
        "quantity": found.quantity,
        "jobId": found.job_id,
        "operator": found.operator,
    }


ROUTES: Final = (
    Route(
        name="guards",
        method="GET",
        path="/api/guards",
        handler=guards,
        needs="owner",
        tag="Orders",
        reply=models.Guards,
        text="OK.guards",
        parameters=(parameters.LIMIT,),
    ),
)
