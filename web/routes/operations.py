"""Do something with whole orders: start, pause, resume, cancel, complete, plan, scrap, more."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from actors.domain.model import Operation, RequestId
from actors.errors import WorkOrderError
from actors.runtime.slices import in_slices
from web.app_context import CALL, CONTEXT
from web.cluster.hop import allowed_s
from web.openapi import parameters
from web.openapi.models.operations import Operated, OperatedBatch
from web.route import API, JSON_BODY, NO_ORDER, ORDER, Body, Route
from web.routes.batches import (
    about,
    batch_reply,
    item_in,
    items_of,
    keys_of,
    refuse_if_none_was_tried,
    refused_item,
)
from web.routes.updates import key_in_header
from web.wire.batches import OPERATIONS
from web.wire.bodies import read_batch, read_object
from web.wire.operations import OperationBody, OperationsBody, parse_operation
from web.wire.problems import NOT_APPLIED, Problem, RequestError, invalid, problem_of
from web.wire.replies import success
from web.wire.schemas import parse_work_order_id
from web.wire.texts import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from actors.domain.messages import Updated, UpdateQuantity
    from actors.domain.model import WorkOrderId
    from actors.engine import Orders
    from web.app_context import Language


_AT_ONCE: Final = 64
"""Orders of a batch: each may be asked of the store alone, which updates need as well."""


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
    return success(request, _fields(done, sent), _text(done))


async def batch_operate(request: web.Request) -> web.Response:
    """Do many operations: one bad item fails alone, items of one order keep their order."""
    deadline = time.monotonic() + allowed_s(request)
    key = key_in_header(request)
    body = await read_batch(request)
    items = items_of(body, OPERATIONS, request.app[CONTEXT].options.max_batch)
    key_of = keys_of(request, body, key, len(items))

    def parse(numbered: tuple[int, object]) -> UpdateQuantity | Problem:
        index, item = numbered
        return _parse_item(request, item, key_of(index), deadline)

    parsed = await in_slices(parse, enumerate(items))
    request[CALL].about.update(about(parsed))
    outcomes = await _operate_many(request.app[CONTEXT].node.region, parsed)
    refuse_if_none_was_tried(outcomes)
    language = request[CALL].language

    def result(numbered: tuple[int, tuple[object, Updated | Problem]]) -> dict[str, Any]:
        index, (item, outcome) = numbered
        return {"index": index, **_row(item, outcome, language)}

    rows = await in_slices(result, enumerate(zip(items, outcomes, strict=True)))
    return batch_reply(request, OPERATIONS, rows)


def _parse_item(
    request: web.Request, item: object, key: str | None, deadline: float
) -> UpdateQuantity | Problem:
    try:
        asked = item_in(item, OPERATIONS)
        sent = asked["workOrderId"]
        if not isinstance(sent, str):
            raise invalid("INVALID_WORK_ORDER_ID", "workOrderId")
        order_id = parse_work_order_id(sent, "workOrderId")
        outer = None if key is None or asked.get("requestId") is not None else RequestId(key)
        return parse_operation(order_id, asked, outer, deadline, request[CALL].trace)
    except RequestError as error:
        return error.problem


async def _operate_many(
    orders: Orders, parsed: Sequence[UpdateQuantity | Problem]
) -> list[Updated | Problem]:
    """Have many done: orders in parallel, one order's one after the other."""
    outcomes: list[Updated | Problem] = [
        each if isinstance(each, Problem) else NOT_APPLIED for each in parsed
    ]
    by_order: dict[WorkOrderId, list[tuple[int, UpdateQuantity]]] = {}
    for index, each in enumerate(parsed):
        if not isinstance(each, Problem):
            by_order.setdefault(each.work_order_id, []).append((index, each))

    async def run(asked: list[tuple[int, UpdateQuantity]]) -> None:
        missed: Problem | None = None
        for index, message in asked:
            # A later one must not overtake one that was not done, or may be done yet.
            outcomes[index] = missed or await _outcome(orders, message)
            missed = missed or _missed(outcomes[index])

    waiting = iter(by_order.values())

    async def run_some() -> None:
        for asked in waiting:
            await run(asked)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_AT_ONCE, len(by_order))):
            group.create_task(run_some())
    return outcomes


async def _outcome(orders: Orders, message: UpdateQuantity) -> Updated | Problem:
    try:
        return await orders.operate(message)
    except WorkOrderError as error:
        return problem_of(error)


def _missed(outcome: Updated | Problem) -> Problem | None:
    """Return what becomes of the later ones of an order; None where they have their turn."""
    if not isinstance(outcome, Problem):
        return None
    if outcome.retry_after_s is not None:
        return outcome
    return NOT_APPLIED if outcome.code == "TIMEOUT" else None


def _row(item: object, outcome: Updated | Problem, language: Language) -> dict[str, Any]:
    if isinstance(outcome, Problem):
        return refused_item(item, outcome, OPERATIONS, language)
    sent = item["workOrderId"] if isinstance(item, dict) else outcome.work_order_id
    return {**_fields(outcome, sent), "code": "OK", "message": render(_text(outcome), language, {})}


def _text(done: Updated) -> str:
    return "OK.operated.replayed" if done.replayed else "OK.operated"


def _fields(done: Updated, sent: str) -> Operated:
    fields: Operated = {
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
    if done.change.type is Operation.SUPPLEMENT:
        fields["supplementWorkOrderId"] = done.change.job_id
    return fields


ROUTES: Final = (
    Route(
        name="operate",
        method="POST",
        path=f"{API}/{{id}}/operations",
        handler=operate,
        needs="actors",
        scope="order",
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
    Route(
        name="batchOperate",
        method="POST",
        path=f"{API}/batch-operations",
        handler=batch_operate,
        needs="actors",
        scope="items",
        batch=OPERATIONS,
        tag="Orders",
        reply=OperatedBatch,
        text="OK.operated.batch",
        codes=("OK", "PARTIALLY_UPDATED", "NOT_UPDATED"),
        failures=(*JSON_BODY, "INVALID_UPDATES", "INVALID_REQUEST_ID", "MAILBOX_FULL"),
        parameters=parameters.UPDATE[:1],
        body=Body(
            OperationsBody,
            {
                "two orders": {
                    "operations": [
                        {"workOrderId": ORDER, "operation": "pause"},
                        {"workOrderId": f"{2:024}", "operation": "start"},
                    ],
                    "requestId": "shift-17",
                }
            },
        ),
    ),
)
