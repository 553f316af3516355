"""Change quantities, one at a time or in a batch."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from actors.domain.decide import is_done_before
from actors.domain.messages import Queued, Updated
from actors.domain.model import ChangeType, JobId, RequestId, Trace
from actors.errors import DuplicateOperation, WorkOrderError
from actors.runtime.slices import in_slices
from web.app_context import CALL, CONTEXT
from web.cluster.hop import allowed_s
from web.openapi import parameters
from web.openapi.models import work_orders as models
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
from web.wire.batches import UPDATES
from web.wire.bodies import read_batch, read_body
from web.wire.prefer import Preferences, preferences_of
from web.wire.problems import Problem, RequestError, invalid, problem_of
from web.wire.replies import success
from web.wire.schemas import (
    BatchBody,
    UpdateBody,
    check_request_id,
    parse_update,
    parse_wait,
    read_update,
)
from web.wire.texts import render

if TYPE_CHECKING:
    from aiohttp import web

    from actors.domain.messages import UpdateQuantity
    from actors.orders.batch import Answer
    from actors.orders.region import Backlog
    from web.app_context import AppContext, Language

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPED: Final = re.compile(r'\\(["\\])')


async def update_quantity(request: web.Request) -> web.Response:
    """Apply one change, or have it wait; answer once that is durable."""
    call = request[CALL]
    context = call.context
    preferred = _preferred(request)
    deadline = _deadline(request, preferred)
    key = key_in_header(request)
    body = await read_body(request)
    ids = call.trace
    trace = Trace(ids.http_request_id, ids.traceparent, request.remote, call.caller)
    most = context.options.max_quantity
    message, sent = read_update(body, key, deadline, trace, wait=preferred.wait, max_quantity=most)
    call.about["work_order_id"] = message.work_order_id
    call.order_as_sent = sent
    region = context.node.region
    done: _Done
    try:
        done = await region.update(message)
    except DuplicateOperation as error:
        if not is_done_before(error, message.change, refuse=context.options.refuse_repeats):
            raise
        done = _Repeat(message, error)
    if isinstance(done, Updated) and not done.replayed:
        call.is_told = not trace.traceparent and "forwarded_by" not in call.about
    return success(request, _fields(done, sent, region.backlog()), _text(done), _params(done))


async def batch_update_quantity(request: web.Request) -> web.Response:
    """Apply many changes: one bad item fails alone, items of one order keep their order."""
    context = request.app[CONTEXT]
    preferred = _preferred(request)
    deadline = _deadline(request, preferred)
    key = key_in_header(request)
    body = await read_batch(request)
    wait = parse_wait(body, default=preferred.wait)
    items = items_of(body, UPDATES, context.options.max_batch)
    key_of = keys_of(request, body, key, len(items))

    def parse(numbered: tuple[int, object]) -> UpdateQuantity | Problem:
        index, item = numbered
        return _parse_item(request, item, key_of(index), deadline, wait=wait)

    parsed = await in_slices(parse, enumerate(items))
    request[CALL].about.update(about(parsed))
    outcomes = await _apply(request, parsed)
    refuse_if_none_was_tried(outcomes)
    return batch_reply(request, UPDATES, await _results(request, items, outcomes))


class _Repeat(NamedTuple):
    """A scan without a key that repeats one that counts: a success to its caller (rule 4)."""

    message: UpdateQuantity
    why: DuplicateOperation


_Done = Updated | Queued | _Repeat


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


def _preferred(request: web.Request) -> Preferences:
    return preferences_of(request.headers.getall("Prefer", ()))


def _deadline(request: web.Request, preferred: Preferences) -> float:
    """Return when the call is answered at the latest, in `time.monotonic()` seconds."""
    limit_s = allowed_s(request)
    # Who does not wait is answered at once: a shorter limit could only leave it in doubt.
    if preferred.wait and preferred.longest_wait_s < limit_s:
        limit_s = preferred.longest_wait_s
    return time.monotonic() + limit_s


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
        asked = item_in(item, UPDATES)
        outer = None if key is None or asked.get("requestId") is not None else RequestId(key)
        most, trace = request.app[CONTEXT].options.max_quantity, request[CALL].trace
        return parse_update(asked, outer, deadline, trace, wait=wait, max_quantity=most)
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


async def _results(
    request: web.Request, items: list[object], outcomes: list[_Done | Problem]
) -> list[dict[str, Any]]:
    language = request[CALL].language
    backlog = request.app[CONTEXT].node.region.backlog()

    def result(numbered: tuple[int, tuple[object, _Done | Problem]]) -> dict[str, Any]:
        index, (item, outcome) = numbered
        return _item_result(index, item, outcome, backlog, language)

    return await in_slices(result, enumerate(zip(items, outcomes, strict=True)))


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
    return {"index": index, **refused_item(item, outcome, UPDATES, language)}


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
