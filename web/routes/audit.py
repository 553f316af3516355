"""What operators did, for those who ask who did it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from actors.domain.model import WorkOrderId
from actors.store.values import id_from
from web.app_context import CONTEXT
from web.cluster.hop import in_time
from web.observe.audit import AUDIT
from web.openapi import parameters
from web.openapi.models.operators import AuditPage
from web.route import LATE, UNREAD, Route
from web.wire.naming import numbers_of
from web.wire.queries import page_fields, parse_page
from web.wire.replies import success

if TYPE_CHECKING:
    from aiohttp import web

    from actors.store.records import Record
    from web.openapi.models.operators import OperatorAction


async def audit(request: web.Request) -> web.Response:
    """List what operators did, the latest first: who, when, why, and what it touched."""
    page, size = parse_page(request.query)
    records = request.app[CONTEXT].node.store.records
    total, found = await in_time(
        request,
        asyncio.gather(
            records.count(AUDIT), records.read(AUDIT, limit=size, skip=(page - 1) * size)
        ),
    )
    actions = [_shown(each) for each in found]
    numbers = await numbers_of(
        request.app[CONTEXT].node,
        (WorkOrderId(each["workOrderId"]) for each in actions if each["workOrderId"]),
    )
    for action in actions:
        action["workOrderNo"] = numbers.get(WorkOrderId(action["workOrderId"] or ""))
    data = {
        **page_fields(total, page, size),
        "actions": actions,
    }
    return success(request, data, "OK.audit")


def _shown(record: Record) -> OperatorAction:
    fields, touched = record.fields, record.fields.get("touched")

    def text(name: str) -> str | None:
        return value if isinstance(value := fields.get(name), str) else None

    known: dict[str, Any] = dict(touched) if isinstance(touched, dict) else {}
    return {
        "at": record.at,
        "action": text("action") or "?",
        "outcome": text("outcome") or "?",
        "by": text("by"),
        "address": text("address"),
        "reason": text("reason"),
        "workOrderId": id_from(known.pop("workOrderId", None)),
        "workOrderNo": None,
        "jobId": known.pop("jobId", None),
        "touched": known,
        "requestId": text("requestId"),
        "node": text("node"),
    }


ROUTES: Final = (
    Route(
        name="audit",
        method="GET",
        path="/api/audit",
        handler=audit,
        large=True,
        tag="Nodes",
        reply=AuditPage,
        text="OK.audit",
        failures=(*LATE, *UNREAD),
        parameters=parameters.PAGE,
    ),
)
