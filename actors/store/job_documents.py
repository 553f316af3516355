"""Jobs as documents: one form for both databases; ids are hex text, times stay datetimes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from actors.domain.job import Job, JobError, JobState, Position
from actors.domain.messages import Updated
from actors.domain.model import Change, ChangeType, JobId, RequestId, Trace, WorkOrderId
from actors.store.documents import context_document, context_from, request_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.domain.job import Progress

_RESULT: Final = {
    "seq": "seq",
    "epoch": "epoch",
    "quantity": "applied_quantity",
    "beforeQuantity": "before_quantity",
    "afterQuantity": "after_quantity",
    "beforeStatus": "before_status",
    "afterStatus": "after_status",
    "beforeProgress": "before_progress",
    "afterProgress": "after_progress",
    "replayed": "replayed",
}


def job_document(job: Job) -> dict[str, Any]:
    """Return a job as its document."""
    change = job.change
    document: dict[str, Any] = {
        "_id": job.id,
        "workOrderId": job.work_order_id,
        "epoch": job.position.epoch,
        "n": job.position.n,
        "type": change.type.value,
        "quantity": change.quantity,
        "logContext": context_document(change.context),
        "receivedAt": job.received_at,
        "trace": {"requestId": job.trace.http_request_id, "traceparent": job.trace.traceparent},
        **state_fields(job),
    }
    if change.request_id is not None:
        document["requestId"] = change.request_id
        document["requestKey"] = request_key(job.work_order_id, change.request_id)
        document["fingerprint"] = change.fingerprint
    return document


def state_fields(job: Job | Progress) -> dict[str, Any]:
    """Return the fields that change while a job is kept."""
    error, result = job.error, job.result
    at = job.finished_at if isinstance(job, Job) else job.at
    return {
        "state": job.state.value,
        "attempts": job.attempts,
        "error": None if error is None else {"code": error.code, "text": error.text},
        "result": None if result is None else _result_document(result),
        "dead": job.dead,
        "finishedAt": None if job.state is JobState.WAITING else at,
    }


def job_from(document: Mapping[str, Any]) -> Job:
    """Read back what `job_document` made; ids may be ObjectIds."""
    trace = document["trace"]
    request_id = document.get("requestId")
    change = Change(
        JobId(str(document["_id"])),
        ChangeType(document["type"]),
        document["quantity"],
        context_from(document["logContext"]),
        None if request_id is None else RequestId(request_id),
        document.get("fingerprint", ""),
    )
    order_id = WorkOrderId(str(document["workOrderId"]))
    error, result = document["error"], document["result"]
    return Job(
        order_id,
        change,
        Position(document["epoch"], document["n"]),
        document["receivedAt"],
        Trace(trace["requestId"], trace["traceparent"]),
        JobState(document["state"]),
        document["attempts"],
        None if error is None else JobError(error["code"], error["text"]),
        None if result is None else _result_from(result, order_id, change),
        document["dead"],
        document["finishedAt"],
    )


def _result_document(result: Updated) -> dict[str, Any]:
    fields = {name: getattr(result, field) for name, field in _RESULT.items()}
    return {"jobId": result.change.job_id, **fields}


def _result_from(document: Mapping[str, Any], order_id: WorkOrderId, change: Change) -> Updated:
    fields = {field: document[name] for name, field in _RESULT.items()}
    first = replace(change, job_id=JobId(document["jobId"]))
    return Updated(change=first, work_order_id=order_id, **fields)
