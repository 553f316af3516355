"""Jobs: what waits, what failed and why, and what operators do about it; pausing of one order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import WorkOrderNotFound
from web.app_context import CONTEXT
from web.cluster.hop import in_time
from web.wire.bodies import read_object
from web.wire.queries import parse_job_query
from web.wire.replies import job_fields, success
from web.wire.schemas import parse_job_id, parse_retry_filter, parse_work_order_id

if TYPE_CHECKING:
    from aiohttp import web


async def jobs(request: web.Request) -> web.Response:
    """Show a page of the jobs in one state: waiting ones in order, finished ones newest first."""
    query = parse_job_query(request.query)
    asked = request.app[CONTEXT].node.jobs.page(
        query.state, query.work_order_id, query.page, query.page_size, query.code
    )
    total, found = await in_time(request, asked)
    data = {
        "total": total,
        "page": query.page,
        "pageSize": query.page_size,
        "totalPages": -(-total // query.page_size),
        "jobs": [job_fields(job, state) for job, state in found],
    }
    return success(request, data, "OK.jobs")


async def job(request: web.Request) -> web.Response:
    """Show a job."""
    job_id = parse_job_id(request.match_info["id"])
    found, state = await in_time(request, request.app[CONTEXT].node.jobs.find(job_id))
    return success(request, job_fields(found, state), "OK.job")


async def retry(request: web.Request) -> web.Response:
    """Let a failed job wait again, behind all others."""
    job_id = parse_job_id(request.match_info["id"])
    found = await in_time(request, request.app[CONTEXT].node.jobs.retry(job_id))
    return success(request, job_fields(found, found.state.value), "OK.retry")


async def retry_failed(request: web.Request) -> web.Response:
    """Let all failed jobs wait again, or those of one order or with one error."""
    order_id, code = parse_retry_filter(await read_object(request))
    desk = request.app[CONTEXT].node.jobs
    counts = {"retried": await in_time(request, desk.retry_failed(order_id, code))}
    return success(request, counts, "OK.retry_failed", counts)


async def remove(request: web.Request) -> web.Response:
    """Forget a finished job, or take back one that waits."""
    job_id = parse_job_id(request.match_info["id"])
    await in_time(request, request.app[CONTEXT].node.jobs.remove(job_id))
    return success(request, {"jobId": job_id}, "OK.remove")


async def pause_order(request: web.Request) -> web.Response:
    """Stop the processing of one order, durably; what arrives for it waits."""
    order_id = parse_work_order_id(request.match_info["id"])
    node = request.app[CONTEXT].node
    if await in_time(request, node.store.detail(order_id)) is None:
        raise WorkOrderNotFound(order_id)
    await in_time(request, node.region.pause_order(order_id))
    return success(request, {"workOrderId": order_id, "paused": True}, "OK.pause")


async def resume_order(request: web.Request) -> web.Response:
    """Process one order again; also one that is gone, so that it is paused no more."""
    order_id = parse_work_order_id(request.match_info["id"])
    await in_time(request, request.app[CONTEXT].node.region.resume_order(order_id))
    return success(request, {"workOrderId": order_id, "paused": False}, "OK.resume")
