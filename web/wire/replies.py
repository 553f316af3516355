"""Make replies: the envelope, and its data in the callers' names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from actors.store.documents import context_document
from web.app_context import CALL, CONTEXT
from web.wire.json_body import encode
from web.wire.texts import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.domain.job import Job
    from actors.domain.messages import Queued, Updated
    from actors.orders.region import Statistics
    from web.app_context import AppContext, Call
    from web.wire.problems import Problem

_NO_PARAMS: Mapping[str, object] = {}


def raw(context: AppContext, value: object, status: int = 200) -> web.Response:
    """Reply with `value` as it is."""
    return web.Response(body=encode(value), status=status, headers=context.headers)


def success(
    request: web.Request,
    data: object,
    text: str = "OK",
    params: Mapping[str, object] = _NO_PARAMS,
    **extra: object,
) -> web.Response:
    """Reply 200 in the envelope; the code is what `text` has before its dot."""
    envelope = {
        "success": True,
        "message": render(text, request[CALL].language, params),
        "data": data,
        "code": text.partition(".")[0],
        **extra,
    }
    return raw(request.app[CONTEXT], envelope)


def failure(context: AppContext, call: Call, problem: Problem) -> web.Response:
    """Reply in the envelope that, and why, the request failed."""
    envelope = {
        "success": False,
        "message": render(problem.text, call.language, problem.params),
        "data": problem.data,
        "code": problem.code,
    }
    response = raw(context, envelope, problem.status)
    response.headers.update(problem.headers)
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    if problem.close:
        response.force_close()
    return response


def queued_fields(queued: Queued, statistics: Statistics) -> dict[str, Any]:
    """Return a change that is kept under the callers' names; `estimatedDelay` in milliseconds."""
    change = queued.change
    return {
        "success": True,
        "jobId": change.job_id,
        "workOrderId": queued.work_order_id,
        "type": change.type.value,
        "quantity": change.quantity,
        "queueLength": statistics.waiting,
        "activeJobs": statistics.active,
        "estimatedDelay": round(statistics.wait_ms),
        "replayed": queued.replayed,
    }


def job_fields(job: Job, state: str) -> dict[str, Any]:
    """Return a job as operators see it."""
    change, error, result = job.change, job.error, job.result
    return {
        "jobId": job.id,
        "workOrderId": job.work_order_id,
        "state": state,
        "type": change.type.value,
        "quantity": change.quantity,
        "logContext": context_document(change.context),
        "requestId": change.request_id,
        "attempts": job.attempts,
        "receivedAt": job.received_at,
        "finishedAt": job.finished_at,
        "deadLetter": job.dead,
        "error": None if error is None else {"code": error.code, "message": error.text},
        "result": None if result is None else _result_fields(result),
    }


def _result_fields(result: Updated) -> dict[str, Any]:
    return {
        "jobId": result.change.job_id,
        "quantity": result.applied_quantity,
        "beforeQuantity": result.before_quantity,
        "afterQuantity": result.after_quantity,
        "beforeStatus": result.before_status,
        "afterStatus": result.after_status,
        "beforeProgress": result.before_progress,
        "afterProgress": result.after_progress,
        "seq": result.seq,
        "replayed": result.replayed,
    }


def update_fields(updated: Updated, statistics: Statistics) -> dict[str, Any]:
    """Return an applied update under the callers' names; `estimatedDelay` is in milliseconds."""
    change = updated.change
    return {
        "success": True,
        "jobId": change.job_id,
        "workOrderId": updated.work_order_id,
        "type": change.type.value,
        "quantity": updated.applied_quantity,
        "requestedQuantity": change.quantity,
        "queueLength": statistics.waiting,
        "activeJobs": statistics.active,
        "estimatedDelay": round(statistics.wait_ms),
        "beforeQuantity": updated.before_quantity,
        "afterQuantity": updated.after_quantity,
        "beforeStatus": updated.before_status,
        "afterStatus": updated.after_status,
        "beforeProgress": updated.before_progress,
        "afterProgress": updated.after_progress,
        "seq": updated.seq,
        "replayed": updated.replayed,
    }
