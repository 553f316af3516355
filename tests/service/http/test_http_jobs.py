"""Waiting work over HTTP, on both stores: accepted, listed, refused, retried, forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from tests.service.http.conftest import order, order_id
from tests.service.http.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.service.http.conftest import Backend

API = "/api/workorder"
QUEUED_FIELDS = {
    "success",
    "jobId",
    "workOrderId",
    "type",
    "quantity",
    "queueLength",
    "activeJobs",
    "estimatedDelay",
}
SETTINGS = {"INBOX_SIZE": "5", "JOB_BACKOFF_S": "0.05"}


@pytest.fixture
async def http(backend: Backend) -> AsyncIterator[ClientSession]:
    await backend.add(*(order(number) for number in (1, 2)))
    async with ServiceProcess({**backend.settings, **SETTINGS}) as process:
        await process.start()
        async with ClientSession(process.url) as session:
            yield session


async def _call(
    http: ClientSession, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, str, Any]:
    async with http.request(method, API + path, json=body, headers=headers) as reply:
        answer = await reply.json()
        if reply.status in (429, 503):
            assert reply.headers["Retry-After"]
        return reply.status, answer["code"], answer["data"]


def _update(number: int = 1, **said: object) -> dict[str, object]:
    return {"workOrderId": order_id(number), "type": "input", **said}


async def _post(http: ClientSession, path: str, body: object = None, **headers: str) -> Any:  # noqa: ANN401
    status, _, data = await _call(http, "POST", path, body, **headers)
    assert status == 200, data
    return data


async def _until(http: ClientSession, job_id: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(100):
        while True:
            status, _, data = await _call(http, "GET", f"/queue/jobs/{job_id}")
            assert status == 200
            if data["state"] == state:
                shown: dict[str, Any] = data
                return shown
            await asyncio.sleep(0.02)


async def test_who_does_not_wait_is_answered_queued_with_the_fields_of_the_contract(
    http: ClientSession,
) -> None:
    context = {"relatedBarcode": "SN1", "operatorName": "张伟"}
    answers = [
        await _call(http, "POST", "/update-quantity", _update(), Prefer="respond-async, wait=1"),
        await _call(
            http, "POST", "/update-quantity", _update(quantity=4, wait=False, logContext=context)
        ),
    ]
    for status, code, data in answers:
        assert (status, code, data["success"]) == (200, "QUEUED", True)
        assert set(data) >= QUEUED_FIELDS
    shown = await _until(http, answers[1][2]["jobId"], "completed")
    assert (shown["type"], shown["quantity"], shown["logContext"]) == ("input", 4, context)
    assert (shown["result"]["beforeQuantity"], shown["result"]["afterQuantity"]) == (1, 5)
    assert shown["finishedAt"] >= shown["receivedAt"]
    status, code, data = await _call(
        http, "POST", "/update-quantity", _update(wait=True), Prefer="respond-async"
    )
    assert (status, code, data["afterQuantity"]) == (200, "UPDATED", 6)


async def test_a_batch_may_wait_for_some_of_its_items(http: ClientSession) -> None:
    items = [_update(quantity=1), _update(quantity=2, wait=True), {"type": "input"}]
    status, code, data = await _call(
        http, "POST", "/batch-update-quantity", {"updates": items, "wait": False}
    )
    assert (status, code) == (200, "PARTIALLY_UPDATED")
    assert [each["code"] for each in data["results"]] == ["QUEUED", "UPDATED", "MISSING_PARAMS"]
    assert (data["succeeded"], data["failed"]) == (2, 1)
    assert data["results"][1]["beforeQuantity"] == 1, "in the order of its items"
    status, code, _ = await _call(
        http, "POST", "/batch-update-quantity", {"updates": [_update()]}, Prefer="respond-async"
    )
    assert (status, code) == (200, "QUEUED")


async def test_jobs_of_a_pause_are_listed_bounded_and_taken_back(http: ClientSession) -> None:
    await _post(http, "/queue/pause")
    kept = [
        await _post(http, "/update-quantity", _update(n % 2 + 1, quantity=n, requestId=f"k{n}"))
        for n in range(5)
    ]
    status, code, data = await _call(http, "POST", "/update-quantity", _update())
    assert (status, code, data) == (429, "MAILBOX_FULL", {"scope": "inbox", "capacity": 5})
    _, _, page = await _call(http, "GET", f"/queue/jobs?workOrderId={order_id(1)}&pageSize=2")
    assert (page["total"], page["totalPages"]) == (3, 2)
    assert [each["quantity"] for each in page["jobs"]] == [0, 2]
    assert page["jobs"][0]["requestId"] == "k0"
    stats = (await _call(http, "GET", "/queue/stats"))[2]
    assert (stats["waiting"], stats["total"]) == (5, 5)

    status, _, _ = await _call(http, "DELETE", f"/queue/jobs/{kept[2]['jobId']}")
    assert status == 200
    again = await _post(http, "/update-quantity", _update(2, quantity=1, requestId="k1"))
    assert (again["jobId"], again["replayed"]) == (kept[1]["jobId"], True)
    conflict = await _call(http, "POST", "/update-quantity", _update(2, quantity=9, requestId="k1"))
    assert conflict[:2] == (422, "REQUEST_ID_CONFLICT")
    await _post(http, "/queue/clean", {"grace": 0})
    assert (await _call(http, "GET", "/queue/stats"))[2]["waiting"] == 4

    await _post(http, "/queue/resume")
    for each in (kept[3], kept[4]):
        await _until(http, each["jobId"], "completed")
    totals = [
        (await _call(http, "GET", f"/detail/{order_id(n)}"))[2]["inputQuantity"] for n in (1, 2)
    ]
    assert totals == [0 + 4, 1 + 3]


async def test_a_job_of_an_unknown_order_fails_and_can_be_retried_once_the_order_is_there(
    http: ClientSession, backend: Backend
) -> None:
    queued = await _post(http, "/update-quantity", _update(9, quantity=3, wait=False))
    job = f"/queue/jobs/{queued['jobId']}"
    shown = await _until(http, queued["jobId"], "failed")
    assert (shown["error"]["code"], shown["deadLetter"]) == ("WORK_ORDER_NOT_FOUND", False)
    _, _, page = await _call(http, "GET", "/queue/jobs?state=failed")
    assert [each["jobId"] for each in page["jobs"]] == [queued["jobId"]]

    await backend.add(order(9))
    assert await _post(http, "/queue/retry-failed", {"code": "DEAD_LETTER"}) == {"retried": 0}
    wanted = {"code": "WORK_ORDER_NOT_FOUND", "workOrderId": order_id(9)}
    assert await _post(http, "/queue/retry-failed", wanted) == {"retried": 1}
    shown = await _until(http, queued["jobId"], "completed")
    assert shown["result"]["afterQuantity"] == 3
    assert (await _call(http, "POST", f"{job}/retry"))[:2] == (409, "JOB_STATE_CONFLICT")
    status, code, answer = await _call(http, "DELETE", job)
    assert (status, code) == (409, "JOB_STATE_CONFLICT"), "what counts is not taken back"
    assert answer["result"]["afterQuantity"] == 3
    status, _, shown = await _call(http, "GET", job)
    assert (status, shown["state"]) == (200, "completed")


async def test_one_order_is_paused_and_the_others_are_not(http: ClientSession) -> None:
    assert (await _post(http, f"/{order_id(1)}/pause"))["paused"] is True
    assert (await _call(http, "POST", f"/{order_id(9)}/pause"))[:2] == (404, "WORK_ORDER_NOT_FOUND")
    queued = await _call(http, "POST", "/update-quantity", _update(1))
    assert queued[1] == "QUEUED"
    assert (await _call(http, "POST", "/update-quantity", _update(2)))[1] == "UPDATED"
    stats = (await _call(http, "GET", "/queue/stats"))[2]
    assert (stats["paused"], stats["pausedOrders"]) == (False, [order_id(1)])
    await _post(http, f"/{order_id(1)}/resume")
    await _until(http, queued[2]["jobId"], "completed")
