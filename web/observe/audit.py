"""What operators did: kept in the store with who, when, why and what it touched, and told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.errors import WorkOrderError
from actors.store.records import Record
from web.app_context import CALL, CONTEXT
from web.observe.pauses import kept, who
from web.wire.problems import RequestError, problem_of

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler

AUDIT: Final = "audit"
_KEPT: Final = timedelta(days=400)
_DONE: Final = "OK"
_UNKNOWN: Final = "TIMEOUT"

_log = structlog.get_logger(__name__)


def audited(action: str, here: Handler) -> Handler:
    """Wrap the handler of an operator's call: what it did, or may have done, is kept.

    What was refused has changed nothing, and is only in the log of calls.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            response = await here(request)
        except (RequestError, WorkOrderError) as error:
            problem = error.problem if isinstance(error, RequestError) else problem_of(error)
            if problem.code == _UNKNOWN:
                await _note(request, action, _UNKNOWN)
            raise
        await _note(request, action, _DONE)
        return response

    return handle


async def _note(request: web.Request, action: str, outcome: str) -> None:
    node, call = request.app[CONTEXT].node, request[CALL]
    now, operator, touched = datetime.now(UTC), who(request), _touched(request)
    request_id = call.trace.http_request_id
    fields: dict[str, Any] = {
        "action": action,
        "outcome": outcome,
        **operator,
        "requestId": request_id,
        "node": node.node_id,
        "touched": touched,
    }
    _log.warning(
        "operator_acted",
        action=action,
        outcome=outcome,
        caller=operator["by"],
        remote=operator["address"],
        reason=operator["reason"],
        request_id=request_id,
        touched=touched,
    )
    name = operator["by"] or operator["address"] or "?"
    why = f": {operator['reason']}" if operator["reason"] else ""
    node.telemetry.happened(
        "operator", order_id=touched.get("workOrderId"), detail=f"{action}, {name}{why}"
    )
    records = node.store.records
    await kept(records.put([Record(AUDIT, f"{now.isoformat()} {request_id}", now, fields)]), AUDIT)
    await kept(records.trim(AUDIT, now - _KEPT), AUDIT)


def _touched(request: web.Request) -> dict[str, Any]:
    """Return the order or job of the path, and what the handler says it has done."""
    named = request.match_info.get("id", "").lower()
    resource = request.match_info.route.resource
    of_job = resource is not None and "/jobs/" in resource.canonical
    ids = {"jobId" if of_job else "workOrderId": named} if named else {}
    said = dict(request[CALL].about)
    if "work_order_id" in said:
        ids["workOrderId"] = str(said.pop("work_order_id"))
    said.pop("forwarded_by", None)
    return {**ids, **said}
