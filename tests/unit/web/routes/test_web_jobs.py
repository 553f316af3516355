"""Waiting work at the edge: who does not wait, what operators ask, and how it is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.job import Failure, Job, JobError, JobState, Position, Progress
from actors.domain.messages import Queued
from actors.domain.model import Change, ChangeType, Epoch, JobId, LogContext, Trace, WorkOrderId
from actors.errors import MailboxFull, StoreUnavailable
from tests.contract.cases import LATEST
from tests.unit.web.fake_node import ORDER, applied

if TYPE_CHECKING:
    from actors.domain.messages import Updated, UpdateQuantity
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import FakeNode

API = "/api/workorder"
JOB = JobId("00000000000000000000000c")
AT = datetime(2026, 11, 23, 8, tzinfo=UTC)


def kept_or_applied(message: UpdateQuantity) -> Updated | Queued:
    if message.wait:
        return applied(message)
    return Queued(message.change, message.work_order_id)


async def _call(
    client: Client, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    async with getattr(client, method)(API + path, json=body, headers=headers) as reply:
        return reply.status, await reply.json()


def _update(**said: object) -> dict[str, object]:
    return {"workOrderId": ORDER, "type": "input", **said}


@pytest.mark.parametrize(
    ("prefer", "said", "waits"),
    [
        ({}, {}, True),
        ({}, {"wait": True}, True),
        ({}, {"wait": None}, True),
        ({}, {"wait": "no"}, True),
        ({"Prefer": "respond-async"}, {"wait": 1}, False),
        ({}, {"wait": False}, False),
        ({"Prefer": "respond-async"}, {}, False),
        ({"Prefer": "wait=5, Respond-Async; x=1"}, {}, False),
        ({"Prefer": "respond-asynchronously"}, {}, True),
        ({"Prefer": "respond-async"}, {"wait": True}, True),
    ],
)
async def test_a_caller_says_in_the_header_or_the_body_that_it_does_not_wait(
    client: Client, node: FakeNode, prefer: dict[str, str], said: dict[str, object], waits: object
) -> None:
    node.region.decide = kept_or_applied
    status, body = await _call(client, "post", "/update-quantity", _update(**said), **prefer)
    assert (status, body["code"]) == (200, "UPDATED" if waits else "QUEUED")
    assert node.region.asked[0].wait is waits
    if not waits:
        assert body["data"] == {
            "success": True,
            "jobId": node.region.asked[0].change.job_id,
            "workOrderId": ORDER,
            "type": "input",
            "quantity": 1,
            "queueLength": 4,
            "activeJobs": 2,
            "estimatedDelay": 12,
            "replayed": False,
        }


@pytest.mark.parametrize("wait", ["no", 0, [], None])
async def test_a_batch_whose_wait_is_no_boolean_counts(
    client: Client, node: FakeNode, wait: object
) -> None:
    node.region.decide = kept_or_applied
    asked = {"updates": [_update(wait=wait)], "wait": wait}
    status, body = await _call(client, "post", "/batch-update-quantity", asked)
    assert (status, body["code"]) == (200, "UPDATED")


@pytest.mark.parametrize(
    ("waits", "code"),
    [
        ([True, True], "UPDATED"),
        ([False, True], "QUEUED"),
        ([False, None], "PARTIALLY_UPDATED"),
        ([True, None], "PARTIALLY_UPDATED"),
        ([None, None], "NOT_UPDATED"),
    ],
)
async def test_a_batch_says_whether_some_of_it_waits(
    client: Client, node: FakeNode, waits: list[bool | None], code: str
) -> None:
    node.region.decide = kept_or_applied
    items = [{"type": "input"} if each is None else _update(wait=each) for each in waits]
    status, body = await _call(client, "post", "/batch-update-quantity", {"updates": items})
    assert (status, body["code"]) == (200, code)
    assert body["data"]["failed"] == waits.count(None)


async def test_a_full_inbox_is_429_and_says_when_to_come_back(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda _: MailboxFull("inbox", 7)
    async with client.post(f"{API}/update-quantity", json=_update(wait=False)) as reply:
        assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
        assert (await reply.json())["data"] == {"scope": "inbox", "capacity": 7}


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "field"),
    [
        ("get", "/queue/jobs?state=lost", None, "INVALID_JOB_QUERY", "state"),
        ("get", "/queue/jobs?state=failed&code=dead", None, "INVALID_JOB_QUERY", "code"),
        ("get", "/queue/jobs?workOrderId=1", None, "INVALID_WORK_ORDER_ID", "workOrderId"),
        ("get", "/queue/jobs/1", None, "INVALID_JOB_ID", "id"),
        ("delete", "/queue/jobs/x", None, "INVALID_JOB_ID", "id"),
        ("get", "/queue/job-counts?code=dead", None, "INVALID_JOB_QUERY", "code"),
        ("post", "/queue/retry-failed", {"code": 5}, "INVALID_JOB_QUERY", "code"),
        ("post", "/queue/discard-failed", {"code": 5}, "INVALID_JOB_QUERY", "code"),
        ("post", "/queue/discard-failed", {"Code": "X"}, "INVALID_JOB_QUERY", "Code"),
        (
            "post",
            "/queue/discard-failed",
            {"workOrderId": " "},
            "INVALID_WORK_ORDER_ID",
            "workOrderId",
        ),
        ("post", "/queue/retry-failed", {"workOrderId": 5}, "INVALID_WORK_ORDER_ID", "workOrderId"),
        ("post", "/1/pause", None, "INVALID_WORK_ORDER_ID", "id"),
    ],
)
async def test_what_is_wrong_is_refused_with_the_field_at_fault(
    client: Client, method: str, path: str, body: object, code: str, field: str
) -> None:
    status, answer = await _call(client, method, path, body)
    assert (status, answer["code"], answer["data"]) == (400, code, {"field": field})


def _a_job() -> Job:
    context = LogContext(related_barcode="SN1", is_automatic=False)
    change = Change(JOB, ChangeType.OUTPUT, 2.5, context)
    return Job(WorkOrderId(ORDER), change, Position(1, 1), AT, Trace("request-1"))


async def test_a_job_is_shown_with_its_payload_times_and_error(
    client: Client, node: FakeNode
) -> None:
    await node.inbox.add(Epoch(0), [_a_job()])
    error = JobError("DEAD_LETTER", "gave up after 3 attempts")
    tried = Failure(AT, JobError("INTERNAL_ERROR", "KeyError()"))
    dead = Progress(JOB, JobState.FAILED, AT, 3, error, dead=True, failures=(tried,))
    await node.inbox.note(LATEST, [dead])
    shown = {
        "jobId": JOB,
        "workOrderId": ORDER,
        "workOrderNo": None,
        "state": "failed",
        "type": "output",
        "quantity": 2.5,
        "logContext": {"relatedBarcode": "SN1", "isAutomatic": False},
        "requestId": None,
        "attempts": 3,
        "receivedAt": "2026-11-23T08:00:00.000Z",
        "finishedAt": "2026-11-23T08:00:00.000Z",
        "deadLetter": True,
        "error": {"code": "DEAD_LETTER", "message": "gave up after 3 attempts"},
        "result": None,
    }
    status, body = await _call(client, "get", f"/queue/jobs/{JOB.upper()}")
    at = "2026-11-23T08:00:00.000Z"
    failures = [{"at": at, "code": "INTERNAL_ERROR", "message": "KeyError()"}]
    assert (status, body["data"]) == (
        200,
        {**shown, "failures": failures, "httpRequestId": "request-1"},
    )
    status, body = await _call(client, "get", "/queue/jobs?state=failed&pageSize=5")
    counts = {"total": 1, "page": 1, "pageSize": 5, "totalPages": 1, "truncated": False}
    page = {**counts, "jobs": [shown]}
    assert (status, body["data"]) == (200, page)
    for code, total in (("DEAD_LETTER", 1), ("STORE_REJECTED", 0)):
        _, body = await _call(client, "get", f"/queue/jobs?state=failed&code={code}")
        assert body["data"]["total"] == total
    status, body = await _call(client, "get", f"/queue/jobs/{'0' * 24}")
    assert (status, body["code"]) == (404, "JOB_NOT_FOUND")


async def test_failed_jobs_are_counted_by_filter_before_they_are_discarded_by_it(
    client: Client, node: FakeNode
) -> None:
    await node.inbox.add(Epoch(0), [_a_job()])
    error = JobError("DEAD_LETTER", "gave up")
    await node.inbox.note(LATEST, [Progress(JOB, JobState.FAILED, AT, 3, error, dead=True)])
    none = dict.fromkeys(("waiting", "active", "delayed", "completed", "failed", "retryable"), 0)

    for code, failed in (("STORE_REJECTED", 0), ("DEAD_LETTER", 1)):
        status, body = await _call(client, "get", f"/queue/job-counts?code={code}")
        assert (status, body["data"]) == (200, {**none, "failed": failed, "retryable": failed})
        filtered = {"workOrderId": ORDER, "code": code}
        status, body = await _call(client, "post", "/queue/discard-failed", filtered)
        assert (status, body["data"]) == (200, {"discarded": failed})
    assert (await _call(client, "get", "/queue/job-counts"))[1]["data"] == none


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/queue/discard-failed"),
        ("post", f"/queue/jobs/{JOB}/retry"),
        ("delete", f"/queue/jobs/{JOB}"),
        ("post", "/queue/retry-failed"),
    ],
)
async def test_a_node_that_owns_nothing_changes_no_job(
    client: Client, node: FakeNode, method: str, path: str
) -> None:
    node.keeper = None
    status, body = await _call(client, method, path)
    assert (status, body["code"]) == (503, "SERVICE_UNAVAILABLE")


@pytest.mark.parametrize("what", ["pause", "resume"])
async def test_pause_and_resume_of_one_order_reach_the_region(
    client: Client, node: FakeNode, what: str
) -> None:
    node.store.orders[ORDER] = {"id": ORDER}
    status, body = await _call(client, "post", f"/{ORDER.upper()}/{what}")
    assert (status, body["data"]) == (200, {"workOrderId": ORDER, "paused": what == "pause"})
    assert node.region.calls == [f"{what} {ORDER}"]


async def test_an_order_that_is_unknown_can_be_resumed_and_not_paused(
    client: Client, node: FakeNode
) -> None:
    assert (await _call(client, "post", f"/{ORDER}/pause"))[0] == 404
    assert (await _call(client, "post", f"/{ORDER}/resume"))[0] == 200
    assert node.region.calls == [f"resume {ORDER}"]


async def test_a_pause_that_the_store_does_not_take_is_503(client: Client, node: FakeNode) -> None:
    node.store.orders[ORDER] = {"id": ORDER}
    node.region.failure = StoreUnavailable("down")
    assert (await _call(client, "post", f"/{ORDER}/pause"))[0] == 503
