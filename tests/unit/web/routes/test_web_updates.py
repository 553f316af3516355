"""The two update endpoints: what the region is asked, and what callers read."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from actors import errors
from actors.errors import WorkOrderError
from tests.unit.web.fake_node import ORDER, applied
from web.app_context import Options

if TYPE_CHECKING:
    from actors.domain.messages import Updated, UpdateQuantity
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import Decide, FakeNode

UPDATE = "/api/workorder/update-quantity"
BATCH = "/api/workorder/batch-update-quantity"
ENGLISH = {"Accept-Language": "en"}


def _item(**changes: object) -> dict[str, object]:
    return {"workOrderId": ORDER, "type": "input", "quantity": 2, **changes}


async def test_an_applied_update_is_answered_with_all_that_callers_know_and_need(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda message: replace(applied(message), applied_quantity=-1)
    async with client.post(UPDATE, json=_item(quantity=-2)) as reply:
        body = await reply.json()
    asked = node.region.asked[0]
    assert reply.status == 200
    assert body == {
        "success": True,
        "message": "工单数量更新成功",
        "code": "UPDATED",
        "data": {
            "success": True,
            "jobId": asked.change.job_id,
            "workOrderId": ORDER,
            "type": "input",
            "quantity": -1,
            "requestedQuantity": -2,
            "queueLength": 4,
            "activeJobs": 2,
            "estimatedDelay": 12,
            "beforeQuantity": 10,
            "afterQuantity": 8,
            "beforeStatus": "IN_PROGRESS",
            "afterStatus": "COMPLETED",
            "beforeProgress": 40,
            "afterProgress": 100,
            "seq": 7,
            "replayed": False,
        },
    }


async def test_the_region_gets_deadline_trace_and_key(client: Client, node: FakeNode) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {
        "X-Request-Id": "main-service/42",
        "traceparent": traceparent,
        "Idempotency-Key": "key-1",
    }
    before = time.monotonic()
    async with client.post(UPDATE, json=_item(), headers=headers) as reply:
        assert reply.headers["X-Request-Id"] == "main-service/42"
    asked = node.region.asked[0]
    assert before + 20 <= asked.deadline <= time.monotonic() + 20
    assert asked.trace.http_request_id == "main-service/42"
    assert asked.trace.ids()["trace_id"] == traceparent.split("-")[1]
    assert asked.trace.ids()["span_id"] != traceparent.split("-")[2]
    assert asked.change.request_id == "key-1"
    assert asked.change.fingerprint


@pytest.mark.parametrize(
    ("prefer", "limit_s"),
    [
        ("wait=2", 2),
        ('WAIT="2"; x=y, wait=1', 2),
        ("wait=100", 20),
        ("wait=2.5, return=minimal", 20),
        ("respond-async, wait=2", 20),
    ],
)
@pytest.mark.parametrize("path", [UPDATE, BATCH])
async def test_a_caller_may_have_its_answer_sooner_than_the_service_would_give_it(
    client: Client, node: FakeNode, path: str, prefer: str, limit_s: int
) -> None:
    before = time.monotonic()
    body = _item() if path == UPDATE else {"updates": [_item()]}
    async with client.post(path, json=body, headers={"Prefer": prefer}) as reply:
        assert reply.status == 200
    assert before + limit_s <= node.region.asked[0].deadline <= time.monotonic() + limit_s


async def test_a_replay_is_answered_with_the_first_job(client: Client, node: FakeNode) -> None:
    def replayed(message: UpdateQuantity) -> Updated:
        first = replace(message.change, job_id="0123456789abcdef01234567")  # type: ignore[arg-type]
        return replace(applied(message), change=first, replayed=True)

    node.region.decide = replayed
    async with client.post(UPDATE, json=_item(requestId="k"), headers=ENGLISH) as reply:
        body = await reply.json()
    assert body["data"]["jobId"] == "0123456789abcdef01234567"
    assert body["data"]["replayed"] is True
    assert "first result" in body["message"]


async def test_a_body_is_read_whatever_its_content_type_says(client: Client) -> None:
    body = b'{"workOrderId": "00000000000000000000000A", "type": "output"}'
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "nonsense; charset=x"):
        headers = {"Content-Type": content_type}
        async with client.post(UPDATE, data=body, headers=headers) as reply:
            assert (await reply.json())["data"]["workOrderId"].lower() == ORDER


@pytest.mark.parametrize(
    ("error", "status", "code", "zh", "en", "data"),
    [
        (
            errors.WorkOrderNotFound(ORDER),
            404,
            "WORK_ORDER_NOT_FOUND",
            f"工单 {ORDER} 不存在",
            f"There is no work order {ORDER}",
            {"workOrderId": ORDER},
        ),
        (
            errors.DuplicateOperation("SN1", "b" * 24, replayed=True),
            409,
            "DUPLICATE_OPERATION",
            "条码 SN1",
            "Barcode SN1",
            {"relatedBarcode": "SN1", "processStepId": "b" * 24, "replayed": True},
        ),
        (
            errors.QuantityOutOfRange(2**60, 2**53 - 1),
            400,
            "INVALID_QUANTITY",
            "quantity",
            "quantity",
            {"field": "quantity", "result": 2**60, "limit": 2**53 - 1, "replayed": False},
        ),
        (
            errors.RequestIdConflict("key-1"),
            422,
            "REQUEST_ID_CONFLICT",
            "key-1",
            "key-1",
            {"requestId": "key-1"},
        ),
        (
            errors.MailboxFull("mailbox", 10),
            429,
            "MAILBOX_FULL",
            "该工单",
            "this order",
            {"scope": "mailbox", "capacity": 10},
        ),
        (
            errors.MailboxFull("node", 10),
            429,
            "MAILBOX_FULL",
            "服务",
            "in the service",
            {"scope": "node", "capacity": 10},
        ),
        (errors.TooManyActors(), 503, "SERVICE_UNAVAILABLE", "未执行", "not applied", None),
        (errors.NotOwner("standby"), 503, "SERVICE_UNAVAILABLE", "本节点", "This node", None),
        (errors.Fenced(1, 2), 503, "SERVICE_UNAVAILABLE", "本节点", "This node", None),
        (
            errors.StillWaiting(paused=True),
            503,
            "SERVICE_UNAVAILABLE",
            "已暂停",
            "paused; not applied",
            {"paused": True},
        ),
        (
            errors.StillWaiting(paused=False),
            503,
            "SERVICE_UNAVAILABLE",
            "未执行",
            "not applied",
            {"paused": False},
        ),
        (errors.StoreUnavailable("x"), 503, "SERVICE_UNAVAILABLE", "数据库", "database", None),
        (errors.NotApplied("x"), 503, "SERVICE_UNAVAILABLE", "未执行", "not applied", None),
        (errors.OutcomeUnknown("x"), 504, "TIMEOUT", "结果未知", "outcome unknown", None),
        (errors.StoreRejected("x"), 500, "SYSTEM_ERROR", "未执行", "not applied", None),
        (errors.PoisonMessage(3), 500, "SYSTEM_ERROR", "放弃", "Given up", None),
        (errors.WorkOrderError("secret"), 500, "SYSTEM_ERROR", "系统错误", "Internal error", None),
    ],
    ids=lambda value: repr(value) if isinstance(value, WorkOrderError) else None,
)
async def test_an_error_of_the_actors_is_told_in_both_languages(
    client: Client,
    node: FakeNode,
    error: WorkOrderError,
    status: int,
    code: str,
    zh: str,
    en: str,
    data: dict[str, object] | None,
) -> None:
    node.region.decide = lambda _message: error
    for headers, words in (({}, zh), (ENGLISH, en)):
        async with client.post(UPDATE, json=_item(requestId="k"), headers=headers) as reply:
            body = await reply.json()
        assert (reply.status, body["code"], body["success"]) == (status, code, False)
        assert words in body["message"]
        assert body["data"] == data
        assert reply.headers.get("Retry-After") == ("1" if error.retryable else None)


@pytest.mark.parametrize(
    ("body", "code", "field", "zh", "en"),
    [
        ({}, "MISSING_WORK_ORDER_ID", "workOrderId", "缺少工单ID", "workOrderId is missing"),
        (
            _item(workOrderId="1"),
            "INVALID_WORK_ORDER_ID",
            "workOrderId",
            "24 位十六进制",
            "workOrderId must be text of 24 hex digits",
        ),
        (_item(type="x"), "INVALID_TYPE", "type", "（type）", "type must be input or output"),
        (_item(quantity="1"), "INVALID_QUANTITY", "quantity", "（quantity）", "quantity must be"),
        (_item(requestId=""), "INVALID_REQUEST_ID", "requestId", "1 至 200", "requestId must be"),
    ],
)
async def test_a_wrong_body_is_refused_with_the_field_in_both_languages(
    client: Client,
    node: FakeNode,
    body: dict[str, object],
    code: str,
    field: str,
    zh: str,
    en: str,
) -> None:
    for headers, words in (({}, zh), (ENGLISH, en)):
        async with client.post(UPDATE, json=body, headers=headers) as reply:
            answer = await reply.json()
        assert (reply.status, answer["code"], answer["data"]) == (400, code, {"field": field})
        assert words in answer["message"]
    assert node.region.asked == []


async def test_the_key_of_header_and_body_must_agree(client: Client, node: FakeNode) -> None:
    headers = {"Idempotency-Key": "a"}
    async with client.post(UPDATE, json=_item(requestId="b"), headers=headers) as reply:
        assert (reply.status, (await reply.json())["code"]) == (400, "INVALID_REQUEST_ID")
    async with client.post(UPDATE, json=_item(requestId="a"), headers=headers) as reply:
        assert reply.status == 200
    assert [each.change.request_id for each in node.region.asked] == ["a"]


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"abc"', "abc"),
        ("abc", "abc"),
        ('"a\\"b\\\\c"', 'a"b\\c'),
        ('"a', '"a'),
        ('a"b"', 'a"b"'),
        ('"a"b"', '"a"b"'),
    ],
)
async def test_a_quoted_key_is_what_stands_between_the_quotes(
    client: Client, node: FakeNode, header: str, key: str
) -> None:
    headers = {"Idempotency-Key": header}
    async with client.post(UPDATE, json=_item(requestId=key), headers=headers) as reply:
        assert reply.status == 200, "the same key as in the body"
    await _batch(client, [_item()], headers)
    one, in_batch = node.region.asked
    assert one.change.request_id == key
    assert in_batch.change.request_id is not None
    assert in_batch.change.request_id.startswith(key)


@pytest.mark.parametrize("keys", [['""'], ["a", "a"], [""], ["k" * 201], ["a\tb"]])
async def test_a_bad_key_header_is_refused(client: Client, keys: list[str]) -> None:
    headers = [("Idempotency-Key", key) for key in keys]
    async with client.post(UPDATE, json=_item(), headers=headers) as reply:
        body = await reply.json()
    assert (reply.status, body["code"]) == (400, "INVALID_REQUEST_ID")
    assert body["data"] == {"field": "Idempotency-Key"}


# -- batches -------------------------------------------------------------------------------


async def _batch(
    client: Client, items: list[Any], headers: dict[str, str] | None = None, **extra: object
) -> tuple[int, dict[str, Any]]:
    body = {"updates": items, **extra}
    async with client.post(BATCH, json=body, headers=headers) as reply:
        return reply.status, await reply.json()


async def test_one_bad_item_fails_alone_and_results_keep_the_order_sent(
    client: Client, node: FakeNode
) -> None:
    status, body = await _batch(
        client, [_item(quantity=1), {"type": "input"}, _item(type="output", quantity=3)]
    )
    assert (status, body["success"], body["code"]) == (200, True, "PARTIALLY_UPDATED")
    data = body["data"]
    assert (data["total"], data["succeeded"], data["failed"]) == (3, 2, 1)
    assert [each["index"] for each in data["results"]] == [0, 1, 2]
    first, second, third = data["results"]
    assert second == {
        "index": 1,
        "success": False,
        "code": "MISSING_PARAMS",
        "message": "缺少参数：每条更新必须包含 workOrderId 和 type（workOrderId）",
        "error": "缺少参数：每条更新必须包含 workOrderId 和 type（workOrderId）",
        "workOrderId": None,
        "type": "input",
        "retryable": False,
        "status": 400,
        "retryAfter": None,
        "data": {"field": "workOrderId"},
        "field": "workOrderId",
    }
    assert (first["code"], first["jobId"]) == ("UPDATED", node.region.asked[0].change.job_id)
    assert (third["type"], third["quantity"], third["afterQuantity"]) == ("output", 3, 13)
    assert third["queueLength"] == 4
    assert body["message"] == "批量更新部分成功：成功 2 条，失败 1 条"


@pytest.mark.parametrize(
    ("item", "code", "field"),
    [
        (None, "MISSING_PARAMS", "workOrderId"),
        ("text", "MISSING_PARAMS", "workOrderId"),
        ([], "MISSING_PARAMS", "workOrderId"),
        ({"workOrderId": "", "type": "input"}, "MISSING_PARAMS", "workOrderId"),
        ({"workOrderId": ORDER}, "MISSING_PARAMS", "type"),
        ({"workOrderId": ORDER, "type": None}, "MISSING_PARAMS", "type"),
        ({"workOrderId": 5, "type": "input"}, "INVALID_WORK_ORDER_ID", "workOrderId"),
        (_item(type="both"), "INVALID_TYPE", "type"),
        (_item(quantity=True), "INVALID_QUANTITY", "quantity"),
        (_item(requestId=5), "INVALID_REQUEST_ID", "requestId"),
    ],
)
async def test_a_wrong_item_is_told_by_code_and_field(
    client: Client, item: object, code: str, field: str
) -> None:
    status, body = await _batch(client, [item], ENGLISH)
    result = body["data"]["results"][0]
    assert (status, body["code"]) == (200, "NOT_UPDATED")
    assert (result["code"], result["field"], result["success"]) == (code, field, False)
    assert field in result["message"]


async def test_what_json_lacks_concerns_the_item_that_it_stands_in(
    client: Client, node: FakeNode
) -> None:
    half = "\ud83d"
    counted = _item(logContext={"remark": f"a{half}", "operatorId": float("nan")})
    status, body = await _batch(client, [counted, _item(quantity=float("nan")), counted])
    codes = [each["code"] for each in body["data"]["results"]]
    assert (status, codes) == (200, ["UPDATED", "INVALID_QUANTITY", "UPDATED"])
    assert [each.change.context.remark for each in node.region.asked] == ["a\ufffd"] * 2

    nested = json.loads("[" * 50 + "]" * 50)
    wrong = [_item(requestId=half), _item(workOrderId=half), _item(workOrderId=nested)]
    _, body = await _batch(client, wrong)
    results = body["data"]["results"]
    assert [each["field"] for each in results] == ["requestId", "workOrderId", "workOrderId"]
    assert [each["workOrderId"] for each in results] == [ORDER, "\ufffd", None]


@pytest.mark.parametrize("updates", [None, [], {}, "x", 5])
async def test_updates_must_be_a_list_with_something_in_it(client: Client, updates: object) -> None:
    async with client.post(BATCH, json={"updates": updates}) as reply:
        body = await reply.json()
    assert (reply.status, body["code"]) == (400, "INVALID_UPDATES")
    assert body["data"] == {"field": "updates"}


async def test_a_batch_beyond_the_limit_is_refused_with_the_limit(
    client: Client, node: FakeNode
) -> None:
    status, body = await _batch(client, [_item()] * 4, ENGLISH)
    assert (status, body["code"]) == (400, "INVALID_UPDATES")
    assert "3" in body["message"]
    assert "4" in body["message"]
    assert node.region.asked == []


async def test_a_batch_key_gives_each_item_a_key_of_its_own(client: Client, node: FakeNode) -> None:
    items = [_item(), _item(requestId="mine"), _item()]
    await _batch(client, items, {"Idempotency-Key": "b"})
    assert [each.change.request_id for each in node.region.asked] == ["b#0", "mine", "b#2"]
    node.region.asked.clear()
    await _batch(client, items, requestId="c")
    assert [each.change.request_id for each in node.region.asked] == ["c#0", "mine", "c#2"]


async def test_without_a_key_the_items_of_a_batch_have_none(client: Client, node: FakeNode) -> None:
    await _batch(client, [_item(), _item(requestId=None)])
    assert [each.change.request_id for each in node.region.asked] == [None, None]


async def test_a_failed_item_says_whether_it_may_be_sent_again(
    client: Client, node: FakeNode
) -> None:
    answers = iter([errors.MailboxFull("mailbox", 5), errors.DuplicateOperation("S", "b" * 24)])
    node.region.decide = lambda _message: next(answers)
    status, body = await _batch(client, [_item(), _item(requestId="k")])
    full, duplicate = body["data"]["results"]
    assert status == 200
    assert (full["code"], full["retryable"], full["capacity"]) == ("MAILBOX_FULL", True, 5)
    assert (full["status"], full["retryAfter"], full["data"]["capacity"]) == (429, 1, 5)
    assert (duplicate["code"], duplicate["retryable"]) == ("DUPLICATE_OPERATION", False)
    assert (duplicate["status"], duplicate["retryAfter"]) == (409, None)
    assert duplicate["data"]["relatedBarcode"] == duplicate["relatedBarcode"] == "S"
    assert duplicate["workOrderId"] == ORDER


async def test_a_batch_of_which_nothing_was_tried_fails_as_a_whole(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda _message: errors.NotOwner("draining")
    async with client.post(BATCH, json={"updates": [_item(), _item()]}) as reply:
        body = await reply.json()
    assert (reply.status, body["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert reply.headers["Retry-After"] == "1"


async def test_a_batch_with_an_item_that_can_never_succeed_is_answered_item_by_item(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda _message: errors.NotOwner("draining")
    status, body = await _batch(client, [_item(), {}])
    assert (status, body["data"]["failed"]) == (200, 2)


async def test_a_whole_batch_done_says_so(client: Client) -> None:
    status, body = await _batch(client, [_item()] * 3, ENGLISH)
    assert (status, body["code"]) == (200, "UPDATED")
    assert body["message"] == "Batch done: all 3 updates applied"


FIRST = "0123456789abcdef01234567"


def _repeats(_message: UpdateQuantity) -> WorkOrderError:
    return errors.DuplicateOperation("SN1", "b" * 24, FIRST)


# -- as callers of the replaced service know it ---------------------------------------------

SPELT = ORDER.upper()


@pytest.mark.parametrize("answer", [applied, _repeats])
async def test_an_order_s_id_comes_back_as_it_was_sent(
    client: Client, node: FakeNode, answer: Decide
) -> None:
    node.region.decide = answer
    async with client.post(UPDATE, json=_item(workOrderId=SPELT)) as reply:
        assert (await reply.json())["data"]["workOrderId"] == SPELT
    _, body = await _batch(client, [_item(workOrderId=SPELT)])
    assert body["data"]["results"][0]["workOrderId"] == SPELT
    assert node.region.asked[0].work_order_id == ORDER


async def test_a_failure_spells_the_order_s_id_as_it_was_sent(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda message: errors.WorkOrderNotFound(message.work_order_id)
    async with client.post(UPDATE, json=_item(workOrderId=SPELT)) as reply:
        body = await reply.json()
    assert (reply.status, body["data"]) == (404, {"workOrderId": SPELT})
    assert SPELT in body["message"]
    async with client.get(f"/api/workorder/detail/{SPELT}") as reply:
        assert (await reply.json())["data"] == {"workOrderId": SPELT}
    _, body = await _batch(client, [_item(workOrderId=SPELT), _item()])
    first, second = body["data"]["results"]
    assert (first["workOrderId"], second["workOrderId"]) == (SPELT, ORDER)
    assert SPELT in first["error"]


async def test_a_failed_item_says_why_as_error_too(client: Client) -> None:
    _, body = await _batch(client, [_item(), {"type": "input"}])
    done, failed = body["data"]["results"]
    assert failed["error"] == failed["message"] != ""
    assert "error" not in done


# -- repeated scans (rule 4) ---------------------------------------------------------------


async def test_a_repeated_scan_without_a_key_succeeds_with_the_first_job_and_nothing_counted(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = _repeats
    async with client.post(UPDATE, json=_item(), headers=ENGLISH) as reply:
        body = await reply.json()
    assert (reply.status, body["success"], body["code"]) == (200, True, "DUPLICATE_OPERATION")
    assert "not counted again" in body["message"]
    assert body["data"] == {
        "success": True,
        "jobId": FIRST,
        "workOrderId": ORDER,
        "type": "input",
        "quantity": 0,
        "queueLength": 4,
        "activeJobs": 2,
        "estimatedDelay": 12,
        "replayed": True,
        "duplicate": True,
        "relatedBarcode": "SN1",
        "processStepId": "b" * 24,
    }


async def test_in_a_batch_only_a_repeated_scan_with_a_key_has_failed(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = _repeats
    _, body = await _batch(client, [_item(), _item(requestId="k")])
    data = body["data"]
    without, keyed = data["results"]
    assert (data["succeeded"], data["failed"]) == (1, 1)
    assert (without["success"], without["jobId"], without["quantity"]) == (True, FIRST, 0)
    assert (without["code"], without["duplicate"]) == ("DUPLICATE_OPERATION", True)
    assert "SN1" in without["message"]
    assert (keyed["success"], keyed["code"]) == (False, "DUPLICATE_OPERATION")


class TestWhereRepeatsAreRefused:
    """With `DUPLICATE_SCANS=refuse`."""

    @pytest.fixture
    def options(self) -> Options:
        return Options(refuse_repeats=True)

    async def test_a_repeated_scan_without_a_key_is_409_and_its_item_fails(
        self, client: Client, node: FakeNode
    ) -> None:
        node.region.decide = _repeats
        async with client.post(UPDATE, json=_item()) as reply:
            assert (reply.status, (await reply.json())["success"]) == (409, False)
        _, body = await _batch(client, [_item()])
        assert body["data"]["failed"] == 1
