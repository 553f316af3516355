"""Jobs as documents: one form for both databases; ids are hex text, times stay datetimes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from actors.domain.job import (
    JOB_UNREADABLE,
    MAX_FAILURES,
    Failure,
    Job,
    JobError,
    JobState,
    Position,
)
from actors.domain.messages import Updated
from actors.domain.model import Change, ChangeType, JobId, RequestId, Trace, WorkOrderId
from actors.store.contexts import context_document, context_from, originals_document, request_key
from actors.store.documents import UnreadableDocument, change_type_from, required
from actors.store.schema import OURS
from actors.store.values import (
    count_from,
    id_from,
    mapping_from,
    number_from,
    order_time,
    text_from,
    time_from,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.domain.job import Progress

_RESULT: Final = {
    "seq": "seq",
    "epoch": "epoch",
    "quantity": "applied_quantity",
    "beforeQuantity": "before_quantity",
    "afterQuantity": "after_quantity",
    "beforeProgress": "before_progress",
    "afterProgress": "after_progress",
}
_RESULT_TEXTS: Final = {"beforeStatus": "before_status", "afterStatus": "after_status"}
NO_ORDER: Final = "0" * 24
"""Shown where it is not known whose job it is."""


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
    if originals := originals_document(change.context):
        document[OURS] = originals
    return document


def state_fields(job: Job | Progress) -> dict[str, Any]:
    """Return the fields that change while a job is kept."""
    error, result = job.error, job.result
    at = job.finished_at if isinstance(job, Job) else job.at
    return {
        "state": job.state.value,
        "attempts": job.attempts,
        "error": None if error is None else _error_document(error),
        "failures": [{"at": each.at, **_error_document(each.error)} for each in job.failures],
        "result": None if result is None else _result_document(result),
        "dead": job.dead,
        "finishedAt": None if job.state is JobState.WAITING else at,
    }


def job_from(document: Mapping[str, Any]) -> Job:
    """Read back what `job_document` made; ids may be ObjectIds.

    One that can't be done any more, as its change, its order or its place is not known, is a dead
    letter that says so: people find it by its id, and nobody waits behind it.
    """
    try:
        change, position = _change(document), _position(document)
        order_id = WorkOrderId(required(id_from(document.get("workOrderId")), "workOrderId"))
        state = required(_state_from(document.get("state")), "state")
    except UnreadableDocument as error:
        return _dead_letter(document, f"{error.args[0]} can't be read")
    trace = mapping_from(document.get("trace"))
    finished_at = document.get("finishedAt")
    attempts = count_from(document.get("attempts")) or 0
    return Job(
        order_id,
        change,
        position,
        order_time(document.get("receivedAt")),
        Trace(*(text_from(trace.get(name)) or "" for name in ("requestId", "traceparent"))),
        state,
        attempts,
        _error_from(document.get("error")),
        _result_from(mapping_from(document.get("result")), order_id, change),
        document.get("dead") is True,
        None if finished_at is None else order_time(finished_at),
        # An earlier release counts anew where people let a job wait again.
        min(count_from(document.get("forgiven")) or 0, attempts),
        _failures_from(document.get("failures")),
    )


def _dead_letter(document: Mapping[str, Any], reason: str) -> Job:
    """Return what can be shown of a job that can't be done."""
    quantity = number_from(document.get("quantity"))
    change = Change(
        JobId(id_from(document.get("_id")) or str(document.get("_id"))),
        change_type_from(document.get("type")) or ChangeType.INPUT,
        0 if quantity is None else quantity,
        context_from(document.get("logContext"), document.get(OURS)),
        _request_id(document),
    )
    return Job(
        WorkOrderId(id_from(document.get("workOrderId")) or NO_ORDER),
        change,
        Position(0, 0),
        received := order_time(document.get("receivedAt")),
        state=JobState.FAILED,
        error=JobError(JOB_UNREADABLE, reason),
        dead=True,
        finished_at=order_time(document.get("finishedAt") or received),
    )


def _change(document: Mapping[str, Any]) -> Change:
    return Change(
        JobId(required(id_from(document.get("_id")), "_id")),
        required(change_type_from(document.get("type")), "type"),
        required(number_from(document.get("quantity")), "quantity"),
        context_from(document.get("logContext"), document.get(OURS)),
        _request_id(document),
        text_from(document.get("fingerprint")) or "",
    )


def _request_id(document: Mapping[str, Any]) -> RequestId | None:
    request_id = text_from(document.get("requestId"))
    return None if request_id is None else RequestId(request_id)


def _position(document: Mapping[str, Any]) -> Position:
    return Position(*(required(count_from(document.get(name)), name) for name in ("epoch", "n")))


def _state_from(value: object) -> JobState | None:
    return next((each for each in JobState if each.value == value), None)


def _error_from(value: object) -> JobError | None:
    error = mapping_from(value)
    if not error:
        return None
    return JobError(text_from(error.get("code")) or "?", text_from(error.get("text")) or "")


def _error_document(error: JobError) -> dict[str, str]:
    return {"code": error.code, "text": error.text}


def _failures_from(value: object) -> tuple[Failure, ...]:
    """Read what can be read of the attempts that failed: it is for people alone."""
    rows = value[-MAX_FAILURES:] if isinstance(value, list) else ()
    read = ((time_from(mapping_from(each).get("at")), _error_from(each)) for each in rows)
    return tuple(Failure(at, error) for at, error in read if at and error)


def _result_document(result: Updated) -> dict[str, Any]:
    names = _RESULT | _RESULT_TEXTS | {"replayed": "replayed"}
    fields = {name: getattr(result, field) for name, field in names.items()}
    return {"jobId": result.change.job_id, **fields}


def _result_from(
    document: Mapping[str, Any], order_id: WorkOrderId, change: Change
) -> Updated | None:
    numbers = {field: number_from(document.get(name)) for name, field in _RESULT.items()}
    if None in numbers.values():
        return None  # nothing, or no result that could be shown: the log has it
    texts = {field: text_from(document.get(name)) for name, field in _RESULT_TEXTS.items()}
    first = replace(change, job_id=JobId(text_from(document.get("jobId")) or change.job_id))
    replayed = document.get("replayed") is True
    return Updated(first, order_id, **numbers, **texts, replayed=replayed)  # type: ignore[arg-type]
