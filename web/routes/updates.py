"""Change quantities, one at a time or in a batch."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from actors.domain.decide import is_done_before
from actors.domain.messages import Queued, Updated
from actors.domain.model import ChangeType, JobId, RequestId, Trace
from actors.errors import DuplicateOperation, WorkOrderError
from actors.runtime.slices import in_slices
from web.app_context import CALL, CONTEXT
from web.cluster.hop import BELIEVED, allowed_s
from web.openapi import parameters
from web.openapi.models import work_orders as models
from web.route import API, JSON_BODY, NO_ORDER, ORDER, Body, Route
from web.wire.bodies import PART, read_batch, read_body
from web.wire.json_body import mended
from web.wire.prefer import longest_wait_s, prefers_async
from web.wire.problems import Problem, RequestError, as_sent, invalid, problem_of
from web.wire.replies import success
from web.wire.schemas import (
    BatchBody,
    UpdateBody,
    check_request_id,
    merge_request_ids,
    parse_update,
    parse_wait,
    read_update,
)
from web.wire.texts import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from actors.domain.messages import UpdateQuantity
    from actors.orders.batch import Answer
    from actors.orders.region import Backlog
    from web.app_context import AppContext, Language

ITEM_NUMBERS: Final = "itemNumbers"
"""In the body of a part of a batch: which of its items these are. Believed of nodes alone."""
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPED: Final = re.compile(r'\\(["\\])')
_LOGGED_ORDERS: Final = 20


async def update_quantity(request: web.Request) -> web.Response:
    """Apply one change, or have it wait; answer once that is durable."""
    context = request.app[CONTEXT]
    wait = not prefers_async(_preferences(request))
    deadline = _deadline(request, wait=wait)
    key = key_in_header(request)
    call = request[CALL]
    body = await read_body(request)
    ids = call.trace
    trace = Trace(ids.http_request_id, ids.traceparent, request.remote, call.caller)
    most = context.options.max_quantity
    message, sent = read_update(body, key, deadline, trace, wait=wait, max_quantity=most)
    call.about["work_order_id"] = message.work_order_id
    call.order_as_sent = sent
    region = context.node.region
    done = await _update(message, context)
    if isinstance(done, Updated) and not done.replayed:
        call.is_told = not trace.traceparent and "forwarded_by" not in call.about
    return success(request, _fields(done, sent, region.backlog()), _text(done), _params(done))


async def batch_update_quantity(request: web.Request) -> web.Response:
    """Apply many changes: one bad item fails alone, items of one order keep their order."""
    context = request.app[CONTEXT]
    wait = not prefers_async(_preferences(request))
    deadline = _deadline(request, wait=wait)
    key = key_in_header(request)
    body = await read_batch(request)
    key = merge_request_ids(key, body.get("requestId"))
    wait = parse_wait(body, default=wait)
    items = _items(body, context.options.max_batch)
    numbers = numbers_of(request, body, len(items))

    def parse(numbered: tuple[int, object]) -> UpdateQuantity | Problem:
        index, item = numbered
        outer = key and f"{key}#{numbers[index]}"
        return _parse_item(request, item, outer, deadline, wait=wait)

    parsed = await in_slices(parse, enumerate(items))
    request[CALL].about.update(_about(parsed))
    outcomes = await _apply(request, parsed)
    _refuse_if_none_was_tried(outcomes)
    return batch_reply(request, await _results(request, items, outcomes))


def _about(parsed: list[UpdateQuantity | Problem]) -> dict[str, object]:
    """Return what the log says of a batch: its size, and the first of its orders."""
    orders = dict.fromkeys(each.work_order_id for each in parsed if not isinstance(each, Problem))
    return {"updates": len(parsed), "work_order_ids": list(islice(orders, _LOGGED_ORDERS))}


class _Repeat(NamedTuple):
    """A scan without a key that repeats one that counts: a success to its caller (rule 4)."""

    message: UpdateQuantity
    why: DuplicateOperation


_Done = Updated | Queued | _Repeat


async def _update(message: UpdateQuantity, context: AppContext) -> _Done:
    try:
        return await context.node.region.update(message)
    except DuplicateOperation as error:
        if not is_done_before(error, message.change, refuse=context.options.refuse_repeats):
            raise
        return _Repeat(message, error)


def key_in_header(request: web.Request) -> RequestId | None:
    """Return the key that the header has; raises `RequestError`."""
    values = request.headers.getall(IDEMPOTENCY_KEY, ())
    if not values:
        return None
    if len(values) > 1:
        raise invalid("INVALID_REQUEST_ID", IDEMPOTENCY_KEY, "repeated")
    return check_request_id(_unquoted(values[0]), IDEMPOTENCY_KEY)


def _unquoted(value: str) -> str:
    """Return the content of a string of RFC 8941, as the header's draft has it; else the value."""
    quoted = _QUOTED.fullmatch(value)
    return value if quoted is None else _ESCAPED.sub(r"\1", quoted[1])


def _items(body: dict[str, object], limit: int) -> list[object]:
    items = body.get("updates")
    if not isinstance(items, list) or not items:
        raise invalid("INVALID_UPDATES", "updates")
    if len(items) > limit:
        raise invalid("INVALID_UPDATES", "updates", "size", limit=limit, actual=len(items))
    return items


def _preferences(request: web.Request) -> Sequence[str]:
    return request.headers.getall("Prefer", ())


def _deadline(request: web.Request, *, wait: bool) -> float:
    """Return when the call is answered at the latest, in `time.monotonic()` seconds."""
    limit_s = allowed_s(request)
    # Who does not wait is answered at once: a shorter limit could only leave it in doubt.
    return time.monotonic() + (
        min(limit_s, longest_wait_s(_preferences(request))) if wait else limit_s
    )


def _fields(
    done: _Done, sent: str, backlog: Backlog
) -> models.Updated | models.Queued | models.Repeated:
    """Return what became of a change under the callers' names; `estimatedDelay` is in ms.

    `sent` is the order's id as the caller spelt it.
    """
    if isinstance(done, _Repeat):
        return _repeated(done, sent, backlog)
    change = done.change
    taken: models.Queued = {
        "success": True,
        "jobId": change.job_id,
        "workOrderId": sent,
        "type": ChangeType(change.type),
        "quantity": change.quantity,
        "queueLength": backlog.waiting,
        "activeJobs": backlog.active,
        "estimatedDelay": round(backlog.wait_ms),
        "replayed": done.replayed,
    }
    if isinstance(done, Queued):
        return taken
    fields: models.Updated = {
        **taken,  # type: ignore[typeddict-item] # no `duplicate` is in it
        "quantity": done.applied_quantity,
        "requestedQuantity": change.quantity,
        "beforeQuantity": done.before_quantity,
        "afterQuantity": done.after_quantity,
        "beforeStatus": done.before_status,
        "afterStatus": done.after_status,
        "beforeProgress": done.before_progress,
        "afterProgress": done.after_progress,
        "seq": done.seq,
    }
    if done.duplicate:
        fields["duplicate"] = True
    return fields


def _repeated(done: _Repeat, sent: str, backlog: Backlog) -> models.Repeated:
    message, why = done
    first = replace(message.change, job_id=JobId(why.first), quantity=0)
    taken = _fields(Queued(first, message.work_order_id, replayed=True), sent, backlog)
    return {
        **taken,
        "duplicate": True,
        "relatedBarcode": why.barcode,
        "processStepId": why.process_step_id,
    }


def _params(done: _Done) -> dict[str, object]:
    if isinstance(done, _Repeat):
        return {"barcode": done.why.barcode}
    if isinstance(done, Updated) and done.duplicate:
        return {"barcode": done.change.context.related_barcode}
    return {}


def _text(done: _Done) -> str:
    if isinstance(done, _Repeat):
        return f"DUPLICATE_OPERATION.{'output_counted' if done.why.output else 'counted'}"
    if isinstance(done, Updated) and done.duplicate:
        return "UPDATED.duplicate"
    code = "QUEUED" if isinstance(done, Queued) else "UPDATED"
    return f"{code}.replayed" if done.replayed else code


def _parse_item(
    request: web.Request, item: object, key: str | None, deadline: float, *, wait: bool
) -> UpdateQuantity | Problem:
    try:
        if not isinstance(item, dict):
            raise invalid("MISSING_PARAMS", "workOrderId")
        for field in ("workOrderId", "type"):
            if item.get(field) in (None, ""):
                raise invalid("MISSING_PARAMS", field)
        outer = None if key is None or item.get("requestId") is not None else RequestId(key)
        most, trace = request.app[CONTEXT].options.max_quantity, request[CALL].trace
        return parse_update(item, outer, deadline, trace, wait=wait, max_quantity=most)
    except RequestError as error:
        return error.problem


async def _apply(
    request: web.Request, parsed: list[UpdateQuantity | Problem]
) -> list[_Done | Problem]:
    context = request.app[CONTEXT]
    messages = [each for each in parsed if not isinstance(each, Problem)]
    answers = iter(await context.node.region.update_many(messages) if messages else [])
    return [
        each if isinstance(each, Problem) else _outcome(each, next(answers), context)
        for each in parsed
    ]


def _outcome(message: UpdateQuantity, answer: Answer, context: AppContext) -> _Done | Problem:
    if is_done_before(answer, message.change, refuse=context.options.refuse_repeats):
        return _Repeat(message, answer)
    return problem_of(answer) if isinstance(answer, WorkOrderError) else answer


def _refuse_if_none_was_tried(outcomes: list[_Done | Problem]) -> None:
    """Fail the call as a whole where nothing was applied and all of it may be sent again."""
    first = outcomes[0]
    if isinstance(first, Problem) and all(
        isinstance(each, Problem) and each.retry_after_s is not None for each in outcomes
    ):
        raise RequestError(first)


async def _results(
    request: web.Request, items: list[object], outcomes: list[_Done | Problem]
) -> list[dict[str, Any]]:
    language = request[CALL].language
    backlog = request.app[CONTEXT].node.region.backlog()

    def result(numbered: tuple[int, tuple[object, _Done | Problem]]) -> dict[str, Any]:
        index, (item, outcome) = numbered
        return _item_result(index, item, outcome, backlog, language)

    return await in_slices(result, enumerate(zip(items, outcomes, strict=True)))


def batch_reply(request: web.Request, results: Sequence[Mapping[str, Any]]) -> web.Response:
    """Return what became of the items of a batch, given in their order."""
    succeeded = sum(each["success"] for each in results)
    counts = {"total": len(results), "succeeded": succeeded, "failed": len(results) - succeeded}
    queued = sum(each.get("code") == "QUEUED" for each in results)
    text = _batch_text(succeeded, counts["failed"], queued)
    return success(request, {**counts, "results": results}, text, {**counts, "queued": queued})


def _batch_text(succeeded: int, failed: int, queued: int) -> str:
    """Return the name of the message about a batch."""
    if not failed:
        return "QUEUED.batch" if queued else "UPDATED.batch"
    if not succeeded:
        return "NOT_UPDATED"
    return "PARTIALLY_UPDATED.queued" if queued else "PARTIALLY_UPDATED"


def _item_result(
    index: int,
    item: object,
    outcome: _Done | Problem,
    backlog: Backlog,
    language: Language,
) -> dict[str, Any]:
    asked = item if isinstance(item, dict) else {}
    if not isinstance(outcome, Problem):
        text = _text(outcome)
        return {
            "index": index,
            **_fields(outcome, asked["workOrderId"], backlog),
            "code": text.partition(".")[0],
            "message": render(text, language, _params(outcome)),
        }
    outcome = as_sent(outcome, str(asked.get("workOrderId")))
    message = render(outcome.text, language, outcome.params)
    return {
        "index": index,
        "success": False,
        "code": outcome.code,
        "message": message,
        "error": message,
        "workOrderId": echo(asked.get("workOrderId")),
        "type": echo(asked.get("type")),
        "retryable": outcome.retry_after_s is not None,
        "status": outcome.status,
        "retryAfter": outcome.retry_after_s,
        "data": outcome.data,
        **(outcome.data or {}),
    }


def numbers_of(request: web.Request, body: dict[str, object], count: int) -> Sequence[int]:
    """Return the items' numbers in the batch as its caller sent it, which their keys have."""
    told = body.get(ITEM_NUMBERS)
    if (PART in request or request.get(BELIEVED)) and isinstance(told, list):
        numbers = [each for each in told if isinstance(each, int)]
        if len(numbers) == count:
            return numbers
    return range(count)


def echo(value: object) -> object:
    """Return what a caller sent in the place of an id or a word, if it can be shown."""
    if isinstance(value, str):
        return mended(value)
    return value if isinstance(value, int | float) else None


_UNBIND: Final = {
    "workOrderId": ORDER,
    "type": "input",
    "quantity": -1,
    "logContext": {"relatedBarcode": "SN0001", "barcodeOperation": "UNBIND_PROCESS"},
}
"""A body to try."""

ROUTES: Final = (
    Route(
        name="updateQuantity",
        method="POST",
        path=f"{API}/update-quantity",
        handler=update_quantity,
        needs="actors",
        scope="body",
        tag="Updates",
        reply=models.Updated | models.Queued | models.Repeated,
        text="UPDATED",
        codes=("UPDATED", "QUEUED", "DUPLICATE_OPERATION"),
        failures=(
            *JSON_BODY,
            "MISSING_WORK_ORDER_ID",
            *NO_ORDER,
            "INVALID_TYPE",
            "INVALID_QUANTITY",
            "INVALID_REQUEST_ID",
            "DUPLICATE_OPERATION",
            "OVER_PLAN",
            "ORDER_UNREADABLE",
            "REQUEST_ID_CONFLICT",
            "MAILBOX_FULL",
        ),
        parameters=parameters.UPDATE,
        body=Body(
            UpdateBody,
            {
                "bind": {"workOrderId": ORDER, "type": "input", "requestId": "scan-17"},
                "unbind": _UNBIND,
                "output": {"workOrderId": ORDER, "type": "output", "quantity": 2},
            },
        ),
    ),
    Route(
        name="batchUpdateQuantity",
        method="POST",
        path=f"{API}/batch-update-quantity",
        handler=batch_update_quantity,
        needs="actors",
        scope="items",
        tag="Updates",
        reply=models.Batch,
        text="UPDATED.batch",
        codes=("UPDATED", "QUEUED", "PARTIALLY_UPDATED", "NOT_UPDATED"),
        failures=(
            *JSON_BODY,
            "INVALID_UPDATES",
            "INVALID_REQUEST_ID",
            "MAILBOX_FULL",
        ),
        parameters=parameters.UPDATE,
        body=Body(
            BatchBody,
            {"two orders": {"updates": [_UNBIND, {"workOrderId": f"{2:024}", "type": "input"}]}},
        ),
    ),
)
