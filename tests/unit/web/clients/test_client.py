from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.web.clients.cases import ORDER, OTHER, given_up, quick, until
from tests.unit.web.clients.fake_service import (
    FakeService,
    Fault,
    answers,
    breaks,
    drips,
    envelope,
    hangs,
    says,
)
from web.clients.python import ClientOptions, PlanServerClient
from web.clients.python.breaker import Breaker

if TYPE_CHECKING:
    from aiohttp import web

_NOBODY = "http://127.0.0.1:9"


async def test_a_result_has_the_fields_of_the_data_and_says_success(
    service: FakeService, client: PlanServerClient
) -> None:
    result = await client.update_work_order_quantity(ORDER, "output", 2, {"remark": "早班"})

    assert result["success"] is True
    assert result["code"] == "UPDATED"
    assert result["queueLength"] == 0
    assert (result["workOrderId"], result["type"], result["quantity"]) == (ORDER, "output", 2)
    assert result["jobId"] == result["requestId"] == service.keys[0]
    assert service.bodies[0]["logContext"] == {"remark": "早班"}


async def test_each_call_has_a_key_of_its_own_unless_one_is_given(
    service: FakeService, client: PlanServerClient
) -> None:
    await client.update_work_order_quantity(ORDER, "input")
    await client.update_work_order_quantity(ORDER, "input")
    await client.update_work_order_quantity(ORDER, "input", request_id="scan-1")
    await client.update_work_order_quantity(ORDER, "input", request_id="scan-1")

    assert len(set(service.keys)) == 3
    assert service.keys[2] == "scan-1"


@pytest.mark.parametrize(
    "fault",
    [
        answers(429, "MAILBOX_FULL", Retry_After="0"),
        answers(503, "SERVICE_UNAVAILABLE", Retry_After="0"),
        answers(504, "TIMEOUT"),
        says(b"<html>Bad Gateway</html>", 502),
        says(b"not JSON"),
        says(b'["no envelope"]'),
        says(b'{"success": true, "code": "OK"}'),
        breaks,
        hangs,
        drips,
    ],
)
@pytest.mark.parametrize("late", [False, True])
async def test_what_may_be_sent_again_is_with_the_same_key_and_counts_once(
    service: FakeService, fault: Fault, *, late: bool
) -> None:
    service.faults.append(fault)
    service.late = late
    endless = fault in (hangs, drips)

    options = quick(None, attempt_s=1.0) if endless else quick(None)
    async with PlanServerClient(service.url, options) as client:
        result = await client.update_work_order_quantity(ORDER, "input")

    assert result["success"] is True
    # Where attempts are short, a busy machine may need one more.
    assert len(service.sizes) >= 2 if endless else service.sizes == [1, 1]
    assert service.keys == [result["requestId"]]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_TYPE"),
        (404, "WORK_ORDER_NOT_FOUND"),
        (409, "DUPLICATE_OPERATION"),
        (413, "BODY_TOO_LARGE"),
        (422, "REQUEST_ID_CONFLICT"),
        (500, "SYSTEM_ERROR"),
    ],
)
async def test_a_refusal_is_told_at_once_and_in_the_services_words(
    service: FakeService, client: PlanServerClient, status: int, code: str
) -> None:
    service.faults.append(answers(status, code))

    result = await client.update_work_order_quantity(ORDER, "input")

    assert result["success"] is False
    assert (result["status"], result["code"]) == (status, code)
    assert result["error"] == f"about {code}"
    assert result["fallback"] is False
    assert service.sizes == [1]


async def test_retry_after_is_waited_for(service: FakeService) -> None:
    service.faults.append(answers(429, "MAILBOX_FULL", Retry_After="1"))

    async with PlanServerClient(service.url, quick(None)) as client:
        assert (await client.update_work_order_quantity(ORDER, "input"))["success"] is True

    assert service.at[1] - service.at[0] >= 1


async def test_a_retry_after_beyond_the_deadline_is_not_waited_for(
    service: FakeService, client: PlanServerClient
) -> None:
    service.faults.append(answers(503, "SERVICE_UNAVAILABLE", Retry_After="60"))

    result = await client.update_work_order_quantity(ORDER, "input")

    assert service.sizes == [1]
    assert (result["code"], result["fallback"]) == ("SERVICE_UNAVAILABLE", True)


async def test_without_fallback_the_caller_is_told_that_nobody_takes_the_call() -> None:
    async with PlanServerClient(_NOBODY, quick(None, deadline_s=1.0)) as client:
        result = await client.update_work_order_quantity(ORDER, "input")

    assert result["success"] is False
    assert (result["code"], result["fallback"]) == ("SERVICE_UNAVAILABLE", True)


@pytest.mark.parametrize("fault", [hangs, drips, breaks, answers(504, "TIMEOUT")])
async def test_without_fallback_an_unknown_outcome_is_no_reason_to_count_elsewhere(
    service: FakeService, client: PlanServerClient, fault: Fault
) -> None:
    service.always = fault

    call = client.update_work_order_quantity(ORDER, "input", request_id="scan-1")
    result = await given_up(service, quick(None), call)

    assert result["success"] is False
    assert (result["code"], result["fallback"]) == ("TIMEOUT", False)
    assert result["requestId"] == "scan-1"


async def test_an_outcome_stays_unknown_when_the_next_attempt_is_put_off(
    service: FakeService, client: PlanServerClient
) -> None:
    service.faults.append(breaks)
    service.always = answers(503, "SERVICE_UNAVAILABLE", Retry_After="60")

    result = await client.update_work_order_quantity(ORDER, "input")

    assert (result["code"], result["fallback"]) == ("TIMEOUT", False)


async def test_the_next_address_is_tried_at_once_and_then_preferred(service: FakeService) -> None:
    async with PlanServerClient([_NOBODY, service.url], quick(None, breaker_failures=2)) as client:
        for _ in range(3):
            assert (await client.update_work_order_quantity(ORDER, "input"))["success"] is True
        # Only the first call has met the address that nobody listens at.
        assert client.get_config()["breakers"][_NOBODY] == "closed"


async def test_an_address_that_keeps_failing_is_left_alone_then_probed_once(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(
        "web.clients.python.calls.Breaker",
        lambda failures, open_s: Breaker(failures, open_s, clock=lambda: now),
    )
    options = quick(None, breaker_failures=3, breaker_open_s=5.0)
    service.always = answers(503, "SERVICE_UNAVAILABLE", Retry_After="60")
    async with PlanServerClient(service.url, options) as client:
        for _ in range(3):
            await client.update_work_order_quantity(ORDER, "input")
        assert client.get_config()["breakers"][service.url] == "open"
        result = await client.update_work_order_quantity(ORDER, "input")
        assert (result["code"], result["fallback"]) == ("SERVICE_UNAVAILABLE", True)
        assert len(service.sizes) == 3

        now = 5.0
        assert client.get_config()["breakers"][service.url] == "half-open"
        gate = asyncio.Event()
        service.always = _behind(gate)
        probe = asyncio.create_task(client.update_work_order_quantity(ORDER, "input"))
        await until(lambda: len(service.sizes) == 4)
        assert (await client.update_work_order_quantity(OTHER, "input"))["success"] is False
        assert len(service.sizes) == 4

        service.always = None
        gate.set()
        assert (await probe)["success"] is True
        assert client.get_config()["breakers"][service.url] == "closed"


def _behind(gate: asyncio.Event) -> Fault:
    async def fault(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return envelope(200, "UPDATED", {"success": True, "path": request.path})

    return fault


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((None, "input"), "MISSING_WORK_ORDER_ID"),
        (("xyz", "input"), "INVALID_WORK_ORDER_ID"),
        ((ORDER, "inout"), "INVALID_TYPE"),
        ((ORDER, "input", float("nan")), "INVALID_QUANTITY"),
        ((ORDER, "input", "2"), "INVALID_QUANTITY"),
        ((ORDER, "input", True), "INVALID_QUANTITY"),
    ],
)
async def test_what_no_service_takes_is_refused_before_it_is_sent_or_kept(
    service: FakeService, client: PlanServerClient, arguments: tuple[Any, ...], code: str
) -> None:
    result = await client.update_work_order_quantity(*arguments)

    assert (result["success"], result["code"], result["status"]) == (False, code, 400)
    assert service.sizes == []


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb"])
async def test_a_key_that_is_none_is_refused(client: PlanServerClient, key: str) -> None:
    result = await client.update_work_order_quantity(ORDER, "input", request_id=key)
    assert result["code"] == "INVALID_REQUEST_ID"


async def test_an_id_may_be_an_object_and_in_upper_case(
    service: FakeService, client: PlanServerClient
) -> None:
    class ObjectId:
        def __str__(self) -> str:
            return ORDER.upper()

    assert (await client.update_work_order_quantity(ObjectId(), "input"))["success"] is True
    assert service.bodies[0]["workOrderId"] == ORDER


async def test_a_batch_has_each_items_result_in_the_order_given(
    service: FakeService, client: PlanServerClient
) -> None:
    service.refused[OTHER] = "DUPLICATE_OPERATION"

    result = await client.batch_update_work_order_quantity(
        [
            {"workOrderId": ORDER, "type": "input", "requestId": "a"},
            {"workOrderId": ORDER},
            {"workOrderId": OTHER, "type": "output", "requestId": "b"},
        ]
    )

    assert (result["success"], result["code"]) == (True, "PARTIALLY_UPDATED")
    assert (result["total"], result["succeeded"], result["failed"]) == (3, 1, 2)
    codes = [(each["index"], each["code"]) for each in result["results"]]
    assert codes == [(0, "UPDATED"), (1, "MISSING_PARAMS"), (2, "DUPLICATE_OPERATION")]
    assert service.sizes == [2]


@pytest.mark.parametrize("updates", [[], None, "text"])
async def test_a_batch_without_updates_is_refused(client: PlanServerClient, updates: Any) -> None:  # noqa: ANN401
    result = await client.batch_update_work_order_quantity(updates)
    assert (result["success"], result["code"]) == (False, "INVALID_UPDATES")


async def test_of_a_batch_only_what_is_unsettled_is_sent_again(
    service: FakeService, client: PlanServerClient
) -> None:
    async def put_off_the_second(_request: web.Request) -> web.StreamResponse:
        first = {"success": True, "code": "UPDATED", "jobId": "1"}
        second = {"success": False, "code": "SERVICE_UNAVAILABLE", "retryable": True}
        third = {"success": False, "code": "TIMEOUT", "retryable": False}
        return envelope(200, "PARTIALLY_UPDATED", {"results": [first, second, third]})

    service.faults.append(put_off_the_second)
    items = [{"workOrderId": ORDER, "type": "input", "requestId": key} for key in "abc"]

    result = await client.batch_update_work_order_quantity(items)

    assert (result["code"], result["succeeded"]) == ("UPDATED", 3)
    assert service.sizes == [3, 2]
    assert service.keys == ["b", "c"]


async def test_a_batch_that_nobody_takes_fails_as_a_whole() -> None:
    async with PlanServerClient(_NOBODY, quick(None, deadline_s=1.0)) as client:
        result = await client.batch_update_work_order_quantity(
            [{"workOrderId": ORDER, "type": "input"}]
        )
    assert (result["success"], result["code"]) == (False, "SERVICE_UNAVAILABLE")
    assert result["fallback"] is True


async def test_a_batch_that_is_too_large_for_the_service_is_sent_in_parts(
    service: FakeService, client: PlanServerClient
) -> None:
    service.faults.append(answers(413, "BODY_TOO_LARGE"))
    items = [{"workOrderId": ORDER, "type": "input", "requestId": f"{n}"} for n in range(10)]

    result = await client.batch_update_work_order_quantity(items)

    assert result["succeeded"] == 10
    assert service.sizes == [10, 5, 5]
    assert service.keys == [f"{n}" for n in range(10)]


async def test_an_operation_is_sent_again_with_its_key_until_it_is_known(
    service: FakeService, client: PlanServerClient
) -> None:
    done = says(b'{"success": true, "message": "", "code": "OK", "data": {"operation": "scrap"}}')
    service.faults.extend([breaks, answers(503, "SERVICE_UNAVAILABLE", Retry_After="0"), done])
    result = await client.operate_work_order(
        ORDER, "scrap", quantity=2, supplement_quantity=3, log_context={"relatedBarcode": "SN1"}
    )
    assert (result["success"], result["operation"]) == (True, "scrap")
    assert {body["requestId"] for body in service.bodies} == {result["requestId"]}
    assert service.bodies[0]["logContext"] == {"relatedBarcode": "SN1"}
    assert service.bodies[0]["supplementQuantity"] == 3
    assert "planProductionQuantity" not in service.bodies[0]


async def test_an_operation_that_is_refused_says_why_and_that_none_falls_back(
    service: FakeService, client: PlanServerClient
) -> None:
    service.faults.append(answers(409, "OPERATION_REFUSED"))
    result = await client.operate_work_order(ORDER, "start", request_id="k")
    assert (result["success"], result["code"]) == (False, "OPERATION_REFUSED")
    assert (result["fallback"], result["requestId"]) == (False, "k")


async def test_an_operation_in_doubt_is_told_from_one_that_was_never_sent() -> None:
    async with (
        FakeService(always=breaks) as service,
        PlanServerClient(service.url, quick(None)) as client,
    ):
        doubtful = await given_up(service, quick(None), client.operate_work_order(ORDER, "start"))
    async with PlanServerClient(_NOBODY, quick(None, deadline_s=1.0)) as client:
        unsent = await client.operate_work_order(ORDER, "start")
    assert (doubtful["code"], doubtful["fallback"]) == ("TIMEOUT", False)
    assert (unsent["code"], unsent["fallback"]) == ("SERVICE_UNAVAILABLE", True)


async def test_reads_are_flat_as_well(service: FakeService, client: PlanServerClient) -> None:
    detail = await client.get_work_order_detail(ORDER)
    logs = await client.get_quantity_logs(
        ORDER, page=2, page_size=5, change_type="input", start_date="2026-11-01"
    )
    stats = await client.get_queue_stats()

    assert detail["path"] == f"/api/workorder/detail/{ORDER}"
    asked = {name: logs[name] for name in ("page", "pageSize", "changeType", "startDate")}
    assert asked == {"page": "2", "pageSize": "5", "changeType": "input", "startDate": "2026-11-01"}
    assert "endDate" not in logs
    assert (stats["success"], stats["path"]) == (True, "/api/workorder/queue/stats")
    assert len(service.at) == 3


async def test_a_read_that_is_not_answered_says_so() -> None:
    async with PlanServerClient(_NOBODY, quick(None, deadline_s=1.0)) as client:
        result = await client.get_queue_stats()
    assert (result["success"], result["code"]) == (False, "SERVICE_UNAVAILABLE")


async def test_a_token_is_shown_to_the_service_and_to_nobody_else(service: FakeService) -> None:
    shown: list[str | None] = []

    async def note(request: web.Request) -> web.StreamResponse:
        shown.append(request.headers.get("Authorization"))
        return await answers(404, "NOT_FOUND")(request)

    for token in ("a-token-of-16-chars", None):
        options = replace(quick(None), token=token)
        service.faults.append(note)
        async with PlanServerClient(service.url, options) as client:
            await client.get_queue_stats()
        assert "a-token" not in repr(options)
    assert shown == ["Bearer a-token-of-16-chars", None]


async def test_health_is_what_one_of_the_addresses_says(service: FakeService) -> None:
    async with PlanServerClient([_NOBODY, service.url], quick(None)) as client:
        assert (await client.health_check())["role"] == "owner"
        assert await client.is_service_available()

        service.health = {"status": "unavailable", "role": "standby"}
        health = await client.health_check()
        assert (health["success"], health["role"]) == (False, "standby")
        assert not await client.is_service_available()

        await service.down()
        assert not await client.is_service_available()


def test_addresses_come_from_the_environment_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLAN_SERVER_HOST", "node-1, node-2")
    monkeypatch.setenv("PLAN_SERVER_PORT", "3005")
    config = PlanServerClient.from_environment(quick(None)).get_config()
    assert config["addresses"] == ["http://node-1:3005", "http://node-2:3005"]
    assert config["timeout"] == 60_000

    monkeypatch.delenv("PLAN_SERVER_HOST")
    monkeypatch.delenv("PLAN_SERVER_PORT")
    config = PlanServerClient.from_environment(quick(None)).get_config()
    assert config["baseURL"] == "http://127.0.0.1:3001"


def test_options_that_can_not_work_are_refused() -> None:
    with pytest.raises(ValueError, match="outbox"):
        ClientOptions()
    with pytest.raises(ValueError, match="deadline_s"):
        ClientOptions(fallback=False, deadline_s=0)
    with pytest.raises(ValueError, match="address"):
        PlanServerClient([], quick(None))


async def test_many_operations_are_sent_again_with_one_key_until_they_are_known(
    service: FakeService, client: PlanServerClient
) -> None:
    done = says(b'{"success": true, "message": "", "code": "OK", "data": {"total": 1}}')
    service.faults.extend([breaks, done])
    items = [{"workOrderId": ORDER, "operation": "pause"}]
    result = await client.batch_operate_work_orders(items)
    assert (result["success"], result["total"]) == (True, 1)
    assert service.bodies == [{"operations": items, "requestId": result["requestId"]}] * 2
