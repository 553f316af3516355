"""Every row of the callers' contract, end to end; those that the store matters to, on each."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from tests.service.http.conftest import order, order_id
from tests.service.http.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.service.http.conftest import Backend

API = "/api/workorder"
on_one_store = pytest.mark.parametrize("backend", ["embedded"], indirect=True)
"""For what the stores have no part in; what they do has its rows in `tests/contract`."""
DETAIL_FIELDS = (
    "id workOrderNo materialCode materialName status planQuantity planProductionQuantity"
    " inputQuantity outputQuantity scrapQuantity progress productionLineName createAt updateAt"
)


@pytest.fixture
async def service(backend: Backend) -> AsyncIterator[ServiceProcess]:
    await backend.add(*(order(number) for number in range(1, 6)))
    async with ServiceProcess(backend.settings) as process:
        await process.start()
        yield process


@pytest.fixture
async def http(service: ServiceProcess) -> AsyncIterator[ClientSession]:
    async with ClientSession(service.url) as session:
        yield session


async def _post(
    http: ClientSession, path: str, body: object = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    async with http.post(API + path, json=body, headers=headers) as reply:
        return reply.status, await reply.json()


async def _get(http: ClientSession, path: str) -> tuple[int, dict[str, Any]]:
    async with http.get(API + path) as reply:
        return reply.status, await reply.json()


async def _update(http: ClientSession, number: int, **fields: object) -> dict[str, Any]:
    body = {"workOrderId": order_id(number), "type": "input", **fields}
    status, answer = await _post(http, "/update-quantity", body)
    return {"status": status, **answer}


async def test_an_update_is_in_the_order_and_in_its_log(http: ClientSession) -> None:
    context = {"relatedBarcode": "SN1", "operatorName": "张伟", "source": "DEVICE"}
    first = await _update(http, 1, quantity=3, logContext=context)
    assert (first["status"], first["code"], first["success"]) == (200, "UPDATED", True)
    data = first["data"]
    assert data["success"] is True
    assert (data["beforeQuantity"], data["quantity"], data["afterQuantity"]) == (0, 3, 3)
    assert (data["seq"], data["replayed"]) == (1, False)
    done = await _update(http, 1, type="output", quantity=100)
    assert (done["data"]["afterStatus"], done["data"]["afterProgress"]) == ("COMPLETED", 100)

    status, detail = await _get(http, f"/detail/{order_id(1).upper()}")
    shown = detail["data"]
    assert (status, set(shown)) == (200, set(DETAIL_FIELDS.split()))
    assert (shown["inputQuantity"], shown["outputQuantity"]) == (3, 100)
    assert (shown["status"], shown["progress"]) == ("COMPLETED", 100)
    assert shown["createAt"] == "2026-11-01T00:00:00.000Z"
    assert shown["updateAt"] > shown["createAt"]
    assert (shown["materialCode"], shown["productionLineName"]) == ("MAT-1", "一线")

    status, logs = await _get(http, f"/quantity-logs/{order_id(1)}")
    newest, oldest = logs["data"]["logs"]
    assert (status, logs["data"]["total"], logs["data"]["totalPages"]) == (200, 2, 1)
    assert (newest["changeType"], newest["reason"]) == ("output", "产出数量增加")
    assert oldest["_id"] == data["jobId"]
    assert (oldest["relatedBarcode"], oldest["operatorName"]) == ("SN1", "张伟")
    assert (oldest["beforeQuantity"], oldest["afterQuantity"], oldest["changeQuantity"]) == (
        0,
        3,
        3,
    )


@on_one_store
async def test_a_decrease_is_cut_and_says_so(http: ClientSession) -> None:
    await _update(http, 1, quantity=2)
    cut = (await _update(http, 1, quantity=-5))["data"]
    assert (cut["quantity"], cut["requestedQuantity"], cut["afterQuantity"]) == (-2, -5, 0)


async def test_a_retry_with_its_key_gets_the_first_answer(http: ClientSession) -> None:
    body = {"workOrderId": order_id(1), "type": "input", "quantity": 4}
    key = {"Idempotency-Key": "scan-1"}
    _, first = await _post(http, "/update-quantity", body, **key)
    _, again = await _post(http, "/update-quantity", body, **key)
    assert again["data"]["jobId"] == first["data"]["jobId"]
    assert (first["data"]["replayed"], again["data"]["replayed"]) == (False, True)
    status, other = await _post(http, "/update-quantity", {**body, "quantity": 5}, **key)
    assert (status, other["code"]) == (422, "REQUEST_ID_CONFLICT")
    assert (await _get(http, f"/detail/{order_id(1)}"))[1]["data"]["inputQuantity"] == 4


@on_one_store
async def test_a_repeated_first_step_scan_is_counted_once_and_refused_under_a_key(
    http: ClientSession,
) -> None:
    context = {
        "relatedBarcode": "SN9",
        "processStepId": "5f0c00000000000000000001",
        "barcodeOperation": "SCAN_PROCESS",
    }
    first = await _update(http, 1, logContext=context)
    assert first["status"] == 200
    again = await _update(http, 1, logContext=context)
    assert (again["status"], again["code"]) == (200, "DUPLICATE_OPERATION")
    assert (again["data"]["jobId"], again["data"]["quantity"]) == (first["data"]["jobId"], 0)
    refused = await _update(http, 1, logContext=context, requestId="another")
    assert (refused["status"], refused["code"]) == (409, "DUPLICATE_OPERATION")
    assert "SN9" in refused["message"]
    await _update(http, 1, quantity=-1, logContext={"relatedBarcode": "SN9"})
    assert (await _update(http, 1, logContext=context))["status"] == 200


@on_one_store
async def test_an_unknown_order_is_404_and_holds_no_lock(http: ClientSession) -> None:
    unknown = await _update(http, 99)
    assert (unknown["status"], unknown["code"]) == (404, "WORK_ORDER_NOT_FOUND")
    assert (await _get(http, f"/detail/{order_id(99)}"))[0] == 404
    assert (await _get(http, f"/quantity-logs/{order_id(99)}"))[1]["data"]["total"] == 0
    assert (await _get(http, "/queue/locks"))[1]["data"] == {"total": 0, "locks": []}


@on_one_store
async def test_a_batch_keeps_the_order_of_one_orders_items(http: ClientSession) -> None:
    updates: list[dict[str, Any]] = [
        {"workOrderId": order_id(1), "type": "input", "quantity": 5},
        {"workOrderId": order_id(2), "type": "input", "quantity": 1},
        {"workOrderId": order_id(1), "type": "input", "quantity": -7},
        {"workOrderId": order_id(99), "type": "input"},
        {"type": "input"},
        {"workOrderId": order_id(1), "type": "input", "quantity": 2},
    ]
    status, answer = await _post(http, "/batch-update-quantity", {"updates": updates})
    data = answer["data"]
    assert (status, data["total"], data["succeeded"], data["failed"]) == (200, 6, 4, 2)
    codes = [each["code"] for each in data["results"]]
    assert codes == ["UPDATED"] * 3 + ["WORK_ORDER_NOT_FOUND", "MISSING_PARAMS", "UPDATED"]
    mine = [data["results"][index] for index in (0, 2, 5)]
    assert [(each["quantity"], each["afterQuantity"]) for each in mine] == [(5, 5), (-5, 0), (2, 2)]


async def test_a_batch_sent_again_with_its_key_is_applied_once(http: ClientSession) -> None:
    updates = [
        {"workOrderId": order_id(number), "type": "input", "quantity": number}
        for number in (1, 2, 2)
    ]
    body = {"updates": updates}
    _, first = await _post(http, "/batch-update-quantity", body, **{"Idempotency-Key": "b"})
    _, again = await _post(http, "/batch-update-quantity", body, **{"Idempotency-Key": "b"})
    jobs = [[each["jobId"] for each in answer["data"]["results"]] for answer in (first, again)]
    assert jobs[0] == jobs[1]
    assert all(each["replayed"] for each in again["data"]["results"])
    assert (await _get(http, f"/detail/{order_id(2)}"))[1]["data"]["inputQuantity"] == 4


@on_one_store
async def test_logs_are_paged_and_filtered(http: ClientSession) -> None:
    for quantity in range(1, 6):
        await _update(http, 1, quantity=quantity)
        await _update(http, 1, type="output", quantity=quantity)
    path = f"/quantity-logs/{order_id(1)}"
    page = (await _get(http, f"{path}?page=2&pageSize=2&changeType=input"))[1]["data"]
    assert (page["total"], page["totalPages"], page["page"], page["pageSize"]) == (5, 3, 2, 2)
    assert [each["changeQuantity"] for each in page["logs"]] == [3, 2]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert (await _get(http, f"{path}?startDate={tomorrow}"))[1]["data"]["total"] == 0
    assert (await _get(http, f"{path}?endDate={tomorrow}"))[1]["data"]["total"] == 10


@on_one_store
async def test_paused_updates_wait_and_resume_lets_them_through(http: ClientSession) -> None:
    assert (await _post(http, "/queue/pause"))[1]["success"] is True
    waiting = await _update(http, 1, quantity=2)
    assert (waiting["status"], waiting["code"], waiting["data"]["queueLength"]) == (
        200,
        "QUEUED",
        1,
    )
    stats = (await _get(http, "/queue/stats"))[1]["data"]
    assert (stats["paused"], stats["total"]) == (True, 1)
    assert (await _get(http, f"/detail/{order_id(1)}"))[1]["data"]["inputQuantity"] == 0
    assert (await _post(http, "/queue/resume"))[1]["success"] is True
    await _until_stats(http, "total", 0)
    assert (await _get(http, f"/detail/{order_id(1)}"))[1]["data"]["inputQuantity"] == 2


async def test_a_pause_outlives_the_process(backend: Backend) -> None:
    await backend.add(order(1))
    async with ServiceProcess(backend.settings) as first:
        await first.start()
        async with ClientSession(first.url) as http:
            await _post(http, "/queue/pause")
    backend.free_lease()
    async with ServiceProcess(backend.settings) as second:
        await second.start()
        async with ClientSession(second.url) as http:
            assert (await _health(http))["paused"] is True
            await _post(http, "/queue/resume")
            assert (await _update(http, 1))["code"] == "UPDATED"


async def test_locks_are_the_orders_of_live_actors_oldest_first(
    http: ClientSession, service: ServiceProcess, backend: Backend
) -> None:
    for number in (2, 1):
        await _update(http, number)
    data = (await _get(http, "/queue/locks"))[1]["data"]
    assert data["total"] == 2
    assert [each["workOrderId"] for each in data["locks"]] == [order_id(2), order_id(1)]
    node = service.named("service_started")[0]["node"]
    for lock in data["locks"]:
        assert lock["workerId"] == node
        assert 0 <= lock["age"] < 60_000
        assert (lock["ttl"] is None) is (backend.lease_name == "file")
    limited = (await _get(http, "/queue/locks?limit=1"))[1]["data"]
    assert (limited["total"], len(limited["locks"])) == (2, 1)


async def test_a_live_owners_lease_is_never_cleaned_away(http: ClientSession) -> None:
    await _update(http, 1)
    status, answer = await _post(http, "/queue/clean-locks")
    assert (status, answer["success"], answer["cleaned"]) == (200, True, 0)
    assert (await _update(http, 1))["code"] == "UPDATED"
    assert (await _get(http, "/queue/locks"))[1]["data"]["total"] == 1


@on_one_store
async def test_clean_forgets_finished_updates(http: ClientSession) -> None:
    await _update(http, 1)
    await _update(http, 99)
    await _until_stats(http, "completed", 1)
    await _until_stats(http, "failed", 1)
    assert (await _post(http, "/queue/clean", {"grace": 0}))[1]["success"] is True
    stats = (await _get(http, "/queue/stats"))[1]["data"]
    assert (stats["completed"], stats["failed"]) == (0, 0)


async def test_health_names_what_the_node_stands_on(http: ClientSession, backend: Backend) -> None:
    health = await _health(http)
    assert (health["status"], health["role"], health["serving"]) == ("ok", "owner", True)
    assert health["epoch"] >= 1
    dependencies = health["dependencies"]
    assert dependencies["store"]["name"] == backend.store_name
    assert dependencies["lease"]["name"] == backend.lease_name
    assert all(each["ok"] for each in dependencies.values())
    for path in ("/", "/livez", "/readyz"):
        async with http.get(path) as reply:
            assert reply.status == 200


@on_one_store
async def test_every_update_leaves_its_line_and_other_calls_their_access_line(
    http: ClientSession, service: ServiceProcess
) -> None:
    body = {"workOrderId": order_id(1), "type": "input", "requestId": "key-7"}
    _, answer = await _post(http, "/update-quantity", body, **{"X-Request-Id": "trace-7"})
    applied = await service.event("update_applied")
    assert applied["job_id"] == answer["data"]["jobId"]
    assert applied["request_id"] == "trace-7"
    assert (applied["work_order_id"], applied["seq"]) == (order_id(1), 1)
    assert applied["remote"] == "127.0.0.1"
    await _post(http, "/update-quantity", {"workOrderId": "x"}, **{"X-Request-Id": "trace-8"})
    access = await service.event("http_request")
    assert (access["request_id"], access["status"], access["method"]) == ("trace-8", 400, "POST")


async def _health(http: ClientSession) -> dict[str, Any]:
    async with http.get("/health") as reply:
        body: dict[str, Any] = await reply.json()
        return body


async def _until_stats(http: ClientSession, name: str, value: int) -> None:
    async with asyncio.timeout(100):
        while (await _get(http, "/queue/stats"))[1]["data"][name] != value:  # noqa: ASYNC110 -- asked anew each time
            await asyncio.sleep(0.005)
