"""Do something with a whole order: start, pause, resume, cancel, complete, plan, scrap."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from actors.domain.model import Operation
from web.app_context import CALL, CONTEXT
from web.cluster.hop import allowed_s
from web.openapi import parameters
from web.openapi.models.operations import Operated
from web.route import API, JSON_BODY, NO_ORDER, Body, Route
from web.routes.updates import key_in_header
from web.wire.bodies import read_object
from web.wire.operations import OperationBody, parse_operation
from web.wire.replies import success
from web.wire.schemas import parse_work_order_id

if TYPE_CHECKING:
    from aiohttp import web

    from actors.domain.messages import Updated


async def operate(request: web.Request) -> web.Response:
    """Do an operation of a whole order; answer once it is durable.

    While processing is paused it is refused, not kept: its rules hold for the moment in which
    somebody asks for it.
    """
    deadline = time.monotonic() + allowed_s(request)
    sent = request.match_info["id"]
    order_id = parse_work_order_id(sent)
    key = key_in_header(request)
    body = await read_object(request)
    message = parse_operation(order_id, body, key, deadline, request[CALL].trace)
    request[CALL].order_as_sent = sent
    done = await request.app[CONTEXT].node.region.operate(message)
    text = "OK.operated.replayed" if done.replayed else "OK.operated"
    return success(request, _fields(done, sent), text)


def _fields(done: Updated, sent: str) -> Operated:
    return {
        "success": True,
        "jobId": done.change.job_id,
        "workOrderId": sent,
        "operation": Operation(done.change.type),
        "quantity": done.change.quantity,
        "beforeQuantity": done.before_quantity,
        "afterQuantity": done.after_quantity,
        "beforeStatus": done.before_status,
        "afterStatus": done.after_status,
        "beforeProgress": done.before_progress,
        "afterProgress": done.after_progress,
        "seq": done.seq,
        "replayed": done.replayed,
    }


ROUTES: Final = (
    Route(
        name="operate",
        method="POST",
        path=f"{API}/{{id}}/operations",
        handler=operate,
        needs="actors",
        tag="Orders",
        reply=Operated,
        text="OK.operated",
        failures=(
            *JSON_BODY,
            *NO_ORDER,
            "INVALID_OPERATION",
            "INVALID_QUANTITY",
            "INVALID_REQUEST_ID",
            "OPERATION_REFUSED",
            "ORDER_UNREADABLE",
            "REQUEST_ID_CONFLICT",
            "MAILBOX_FULL",
        ),
        parameters=(parameters.ORDER_ID, *parameters.UPDATE[:1]),
        body=Body(
            OperationBody,
            {
                "pause": {"operation": "pause", "requestId": "pause-17"},
                "scrap": {"operation": "scrap", "logContext": {"relatedBarcode": "SN0001"}},
            },
        ),
    ),
)
