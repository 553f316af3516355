"""Jobs: what waits, what failed and why, and what operators do about it; pausing of one order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from actors.domain.job import JobState
from actors.domain.model import ChangeType
from actors.errors import WorkOrderNotFound
from actors.runtime.slices import in_slices
from actors.store.contexts import context_document
from web.app_context import CALL, CONTEXT
from web.cluster.hop import in_time
from web.observe.pauses import forget_pause, note_pause
from web.openapi import parameters
from web.openapi.models.jobs import (
    Discarded,
    ForgottenJob,
    Job,
    JobCounts,
    JobDetail,
    JobPage,
    Retried,
)
from web.openapi.models.work_orders import OrderPaused
from web.route import API, JSON_BODY, LATE, NO_JOB, NO_ORDER, ORDER, Body, Route
from web.wire import merging
from web.wire.bodies import read_object
from web.wire.json_body import encode_rows
from web.wire.naming import live_numbers, named_order, numbers_of, order_called
from web.wire.queries import MAX_PAGE_BYTES, bounded_page_fields, parse_job_filter, parse_job_query
from web.wire.replies import success
from web.wire.results import result_fields
from web.wire.schemas import DiscardBody, JobFilterBody, parse_filter_body, parse_job_id
from web.wire.turns import in_turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from actors.domain import job as domain
    from actors.domain.model import WorkOrderId
    from web.openapi.models.jobs import JobContext, JobResult
    from web.wire.queries import JobPageQuery


async def jobs(request: web.Request) -> web.Response:
    """Show a page of the jobs in one state: waiting ones in order, finished ones newest first."""
    query = parse_job_query(request.query)
    order_id = await _order(request, query.order)
    return await in_time(request, _page(request, query, order_id))


async def _order(request: web.Request, name: str | None) -> WorkOrderId | None:
    return None if name is None else await order_called(request, name, "workOrderId")


async def _page(
    request: web.Request, query: JobPageQuery, order_id: WorkOrderId | None
) -> web.Response:
    async with in_turn(request, query.page_size):
        node = request.app[CONTEXT].node
        total, found = await node.jobs.page(
            query.state,
            order_id,
            query.page,
            query.page_size,
            query.code,
            max_bytes=MAX_PAGE_BYTES,
        )
        numbers = await numbers_of(node, (job.work_order_id for job, _ in found))
        rows = await in_slices(
            lambda each: _fields(*each, numbers.get(each[0].work_order_id)), found
        )
        data = {
            **bounded_page_fields(total, query.page, query.page_size, len(found)),
            "jobs": await encode_rows(rows),
        }
        return success(request, data, "OK.jobs")


async def job_counts(request: web.Request) -> web.Response:
    """Count jobs by state, all or by a filter: what a retry or a discard by it would touch."""
    name, code = parse_job_filter(request.query)
    order_id = await _order(request, name)
    counts = await in_time(request, request.app[CONTEXT].node.jobs.counts(order_id, code))
    data: JobCounts = {
        "waiting": counts.waiting,
        "active": counts.active,
        "delayed": counts.delayed,
        "completed": counts.completed,
        "failed": counts.failed,
        "retryable": counts.retryable,
    }
    return success(request, data, "OK.job_counts")


async def job(request: web.Request) -> web.Response:
    """Show a job: what it is, how each of its attempts failed, and what became of it."""
    job_id = parse_job_id(request.match_info["id"])
    found, state = await in_time(request, request.app[CONTEXT].node.jobs.find(job_id))
    order_id = found.work_order_id
    numbers = await numbers_of(request.app[CONTEXT].node, [order_id])
    data: JobDetail = {
        **_fields(found, state, numbers.get(order_id)),
        "failures": [
            {"at": each.at, "code": each.error.code, "message": each.error.text}
            for each in found.failures
        ],
        "httpRequestId": found.trace.http_request_id or None,
    }
    return success(request, data, "OK.job")


async def retry(request: web.Request) -> web.Response:
    """Let a failed job wait again, behind all others."""
    job_id = parse_job_id(request.match_info["id"])
    node = request.app[CONTEXT].node
    found = await in_time(request, node.jobs.retry(job_id))
    order_id = found.work_order_id
    number = (await live_numbers(node, [order_id])).get(order_id)
    return success(request, _fields(found, found.state.value, number), "OK.retry")


async def retry_failed(request: web.Request) -> web.Response:
    """Let all failed jobs wait again, or those of one order or with one error."""
    name, code = parse_filter_body(await read_object(request))
    order_id = await _order(request, name)
    desk = request.app[CONTEXT].node.jobs
    counts: Retried = {"retried": await in_time(request, desk.retry_failed(order_id, code))}
    _note(request, order_id, code, counts)
    return success(request, counts, "OK.retry_failed", counts)


async def discard_failed(request: web.Request) -> web.Response:
    """Forget all failed jobs, or those of one order or with one error."""
    name, code = parse_filter_body(await read_object(request), DiscardBody)
    order_id = await _order(request, name)
    desk = request.app[CONTEXT].node.jobs
    counts: Discarded = {"discarded": await in_time(request, desk.discard_failed(order_id, code))}
    _note(request, order_id, code, counts)
    return success(request, counts, "OK.discard_failed", counts)


def _note(
    request: web.Request,
    order_id: WorkOrderId | None,
    code: str | None,
    counts: Mapping[str, object],
) -> None:
    """Keep what was asked of which jobs, for the record of what operators did."""
    about = {"work_order_id": order_id, "code": code}
    request[CALL].about |= {**counts, **{name: each for name, each in about.items() if each}}


async def remove(request: web.Request) -> web.Response:
    """Take back a job that waits, or forget a failed one.

    409 once it is applied, with what it did.
    """
    job_id = parse_job_id(request.match_info["id"])
    state = await in_time(request, request.app[CONTEXT].node.jobs.remove(job_id))
    data: ForgottenJob = {"jobId": job_id, "state": state}
    text = "OK.taken_back" if state is JobState.WAITING else "OK.remove"
    return success(request, data, text)


async def pause_order(request: web.Request) -> web.Response:
    """Stop the processing of one order, durably; what arrives for it waits."""
    order_id = await named_order(request)
    node = request.app[CONTEXT].node
    if await in_time(request, node.store.detail(order_id)) is None:
        raise WorkOrderNotFound(order_id)
    await in_time(request, node.region.pause_order(order_id))
    await note_pause(request, order_id)
    return success(request, {"workOrderId": order_id, "paused": True}, "OK.pause")


async def resume_order(request: web.Request) -> web.Response:
    """Process one order again; also one that is gone, so that it is paused no more."""
    order_id = await named_order(request)
    await in_time(request, request.app[CONTEXT].node.region.resume_order(order_id))
    await forget_pause(request, order_id)
    return success(request, {"workOrderId": order_id, "paused": False}, "OK.resume")


def _fields(job: domain.Job, state: str, number: str | None) -> Job:
    change, error, result = job.change, job.error, job.result
    return {
        "jobId": job.id,
        "workOrderId": job.work_order_id,
        "workOrderNo": number,
        "state": state,
        "type": ChangeType(change.type),
        "quantity": change.quantity,
        "logContext": cast("JobContext", context_document(change.context)),
        "requestId": change.request_id,
        "attempts": job.attempts,
        "receivedAt": job.received_at,
        "finishedAt": job.finished_at,
        "deadLetter": job.dead,
        "error": None if error is None else {"code": error.code, "message": error.text},
        "result": None if result is None else cast("JobResult", result_fields(result)),
    }


_FILTER: Final = Body(
    JobFilterBody,
    {"of one order": {"workOrderId": ORDER}, "dead letters": {"code": "DEAD_LETTER"}},
    required=False,
)
ROUTES: Final = (
    Route(
        name="queueJobs",
        method="GET",
        large=True,
        path=f"{API}/queue/jobs",
        handler=jobs,
        needs="view",
        merge=merging.jobs,
        tag="Jobs",
        reply=JobPage,
        text="OK.jobs",
        failures=("INVALID_JOB_QUERY", "INVALID_WORK_ORDER_ID", *LATE),
        parameters=parameters.JOBS,
    ),
    Route(
        name="jobCounts",
        method="GET",
        path=f"{API}/queue/job-counts",
        handler=job_counts,
        needs="view",
        merge=merging.job_counts,
        tag="Jobs",
        reply=JobCounts,
        text="OK.job_counts",
        failures=("INVALID_JOB_QUERY", "INVALID_WORK_ORDER_ID", *LATE),
        parameters=parameters.JOB_FILTER,
    ),
    Route(
        name="queueJob",
        method="GET",
        path=f"{API}/queue/jobs/{{id}}",
        handler=job,
        needs="view",
        scope="job",
        tag="Jobs",
        reply=JobDetail,
        text="OK.job",
        failures=(*NO_JOB, *LATE),
        parameters=(parameters.JOB_ID,),
    ),
    Route(
        name="retryJob",
        method="POST",
        path=f"{API}/queue/jobs/{{id}}/retry",
        audit="retry",
        handler=retry,
        needs="owner",
        scope="job",
        tag="Jobs",
        reply=Job,
        text="OK.retry",
        failures=(*NO_JOB, "JOB_STATE_CONFLICT", "MAILBOX_FULL", *LATE),
        parameters=(parameters.JOB_ID, parameters.REASON),
    ),
    Route(
        name="removeJob",
        method="DELETE",
        path=f"{API}/queue/jobs/{{id}}",
        audit="remove",
        handler=remove,
        needs="owner",
        scope="job",
        tag="Jobs",
        reply=ForgottenJob,
        text="OK.remove",
        failures=(*NO_JOB, "JOB_STATE_CONFLICT", *LATE),
        parameters=(parameters.JOB_ID, parameters.REASON),
    ),
    Route(
        name="retryFailed",
        method="POST",
        path=f"{API}/queue/retry-failed",
        audit="retry",
        handler=retry_failed,
        needs="owner",
        scope="body",
        merge=merging.added,
        tag="Jobs",
        reply=Retried,
        text="OK.retry_failed",
        failures=(*JSON_BODY, "INVALID_WORK_ORDER_ID", "INVALID_JOB_QUERY", "MAILBOX_FULL", *LATE),
        body=_FILTER,
        parameters=(parameters.REASON,),
    ),
    Route(
        name="discardFailed",
        method="POST",
        path=f"{API}/queue/discard-failed",
        audit="remove",
        handler=discard_failed,
        needs="owner",
        scope="body",
        merge=merging.added,
        tag="Jobs",
        reply=Discarded,
        text="OK.discard_failed",
        failures=(*JSON_BODY, "INVALID_WORK_ORDER_ID", "INVALID_JOB_QUERY", *LATE),
        body=replace(_FILTER, model=DiscardBody),
        parameters=(parameters.REASON,),
    ),
    Route(
        name="pauseOrder",
        method="POST",
        path=f"{API}/{{id}}/pause",
        audit="pause",
        handler=pause_order,
        needs="owner",
        scope="order",
        tag="Orders",
        reply=OrderPaused,
        text="OK.pause",
        failures=(*NO_ORDER, *LATE),
        parameters=(parameters.ORDER_ID, parameters.REASON),
    ),
    Route(
        name="resumeOrder",
        method="POST",
        path=f"{API}/{{id}}/resume",
        audit="resume",
        handler=resume_order,
        needs="owner",
        scope="order",
        tag="Orders",
        reply=OrderPaused,
        text="OK.resume",
        failures=("INVALID_WORK_ORDER_ID", *LATE),
        parameters=(parameters.ORDER_ID, parameters.REASON),
    ),
)
