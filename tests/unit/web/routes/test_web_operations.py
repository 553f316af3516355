"""Operations over HTTP: what is asked for, what comes back, and how they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors import errors
from actors.domain.model import Operation
from actors.store import LogPage
from tests.unit.web.fake_node import applied

if TYPE_CHECKING:
    from actors.domain.messages import UpdateQuantity
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import Answer, FakeNode

ORDER = "0123456789abcdef01234567"
PATH = f"/api/workorder/{ORDER}/operations"


async def sent(client: Client, path: str = PATH, **body: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 -- JSON
    async with client.post(path, json=body) as reply:
        return reply.status, await reply.json()


async def test_an_operation_is_asked_of_its_order_and_told(client: Client, node: FakeNode) -> None:
    status, body = await sent(
        client,
        PATH.replace(ORDER, ORDER.upper()),
        operation="scrap",
        quantity=2,
        logContext={"relatedBarcode": "SN1", "operatorName": "李工"},
        requestId="k",
    )
    assert (status, body["code"]) == (200, "OK")
    assert body["data"]["operation"] == "scrap"
    assert body["data"]["workOrderId"] == ORDER.upper()
    [message] = node.region.asked
    change = message.change
    assert (message.work_order_id, change.type, change.quantity) == (ORDER, Operation.SCRAP, 2)
    assert (change.request_id, bool(change.fingerprint)) == ("k", True)
    assert change.context.operator_name == "李工"


@pytest.mark.parametrize(
    ("body", "quantity"),
    [
        ({"operation": "start", "quantity": 7}, 0),
        ({"operation": "change-plan", "planProductionQuantity": 120}, 120),
        ({"operation": "scrap", "logContext": {"relatedBarcode": "SN1"}}, 1),
        ({"operation": "supplement"}, 0),
        ({"operation": "supplement", "supplementQuantity": 2}, 2),
    ],
)
async def test_each_has_the_quantity_that_it_is_about(
    client: Client, node: FakeNode, body: dict[str, Any], quantity: float
) -> None:
    status, reply = await sent(client, **body)
    [asked] = node.region.asked
    assert (status, asked.change.quantity) == (200, quantity)
    made = reply["data"].get("supplementWorkOrderId")
    assert made == (asked.change.job_id if body["operation"] == "supplement" else None)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "INVALID_OPERATION", "operation"),
        ({"operation": "explode"}, "INVALID_OPERATION", "operation"),
        ({"operation": "change-plan"}, "INVALID_OPERATION", "planProductionQuantity"),
        ({"operation": "scrap"}, "INVALID_OPERATION", "logContext.relatedBarcode"),
        ({"operation": "scrap", "quantity": 0}, "INVALID_QUANTITY", "quantity"),
        (
            {"operation": "change-plan", "planProductionQuantity": "5"},
            "INVALID_QUANTITY",
            "planProductionQuantity",
        ),
        ({"operation": "start", "requestId": ""}, "INVALID_REQUEST_ID", "requestId"),
    ],
)
async def test_what_is_wrong_is_named(
    client: Client, node: FakeNode, body: dict[str, Any], code: str, field: str
) -> None:
    status, reply = await sent(client, **body)
    assert (status, reply["code"], reply["data"]["field"]) == (400, code, field)
    assert not node.region.asked


async def test_an_operation_that_the_order_does_not_allow_is_409_and_says_why(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda message: errors.OperationRefused(
        message.work_order_id, "start", "status", "PAUSED"
    )
    status, body = await sent(client, operation="start")
    assert (status, body["code"]) == (409, "OPERATION_REFUSED")
    assert body["data"] == {
        "workOrderId": ORDER,
        "reason": "status",
        "operation": "start",
        "status": "PAUSED",
    }
    assert "PAUSED" in body["message"]


MANY = "/api/workorder/batch-operations"
OTHER = "0123456789abcdef01234568"


async def test_each_operation_of_a_batch_has_its_own_answer(client: Client, node: FakeNode) -> None:
    def decide(message: UpdateQuantity) -> Answer:
        if message.work_order_id == OTHER:
            return errors.OperationRefused(OTHER, "start", "status", "PAUSED")
        return applied(message)

    node.region.decide = decide
    barcode = {"relatedBarcode": "SN1"}
    items = [
        {"workOrderId": ORDER.upper(), "operation": "pause"},
        {"workOrderId": OTHER, "operation": "start"},
        {"workOrderId": ORDER, "operation": "scrap", "logContext": barcode, "requestId": "mine"},
    ]
    status, body = await sent(client, MANY, operations=items, requestId="k")
    assert (status, body["code"]) == (200, "PARTIALLY_UPDATED")
    assert [body["data"][name] for name in ("total", "succeeded", "failed")] == [3, 2, 1]
    rows = body["data"]["results"]
    assert [(each["index"], each["code"]) for each in rows] == list(
        enumerate(("OK", "OPERATION_REFUSED", "OK"))
    )
    assert rows[0]["workOrderId"] == ORDER.upper()
    refused = rows[1]
    assert (refused["status"], refused["data"]["status"]) == (409, "PAUSED")
    assert (refused["reason"], refused["operation"]) == ("status", "start")
    assert not refused["retryable"]
    asked = {each.change.request_id: each.change.type for each in node.region.asked}
    assert asked == {"k#0": "pause", "k#1": "start", "mine": "scrap"}


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"workOrderId": ORDER, "operation": "explode"}, "INVALID_OPERATION"),
        ({"workOrderId": ORDER}, "MISSING_PARAMS"),
        (7, "MISSING_PARAMS"),
        ({"workOrderId": "x", "operation": "start"}, "INVALID_WORK_ORDER_ID"),
    ],
)
async def test_a_bad_item_of_a_batch_of_operations_fails_alone(
    client: Client, node: FakeNode, item: object, code: str
) -> None:
    items = [item, {"workOrderId": OTHER, "operation": "start"}]
    status, body = await sent(client, MANY, operations=items)
    assert (status, body["code"]) == (200, "PARTIALLY_UPDATED")
    assert [each["code"] for each in body["data"]["results"]] == [code, "OK"]
    assert len(node.region.asked) == 1


@pytest.mark.parametrize(
    ("failure", "rest"),
    [
        (errors.MailboxFull("mailbox", 1), "MAILBOX_FULL"),
        (errors.OutcomeUnknown("late"), "SERVICE_UNAVAILABLE"),
    ],
)
async def test_no_operation_of_a_batch_overtakes_one_of_its_order_that_was_not_done(
    client: Client, node: FakeNode, failure: errors.WorkOrderError, rest: str
) -> None:
    node.region.decide = lambda message: (
        failure if message.change.type is Operation.PAUSE else applied(message)
    )
    items = [
        {"workOrderId": ORDER, "operation": "pause"},
        {"workOrderId": ORDER, "operation": "complete"},
        {"workOrderId": OTHER, "operation": "complete"},
    ]
    status, body = await sent(client, MANY, operations=items)
    assert (status, body["code"]) == (200, "PARTIALLY_UPDATED")
    rows = body["data"]["results"]
    assert [each["success"] for each in rows] == [False, False, True]
    assert (rows[1]["code"], rows[1]["retryable"]) == (rest, True)
    assert len(node.region.asked) == 2


async def test_a_batch_of_operations_that_none_can_serve_is_refused_whole(
    client: Client, node: FakeNode
) -> None:
    node.region.decide = lambda _message: errors.StillWaiting(paused=True)
    items = [{"workOrderId": ORDER, "operation": "pause"}]
    status, body = await sent(client, MANY, operations=items)
    assert (status, body["code"]) == (503, "SERVICE_UNAVAILABLE")


@pytest.mark.parametrize("body", [{}, {"operations": []}, {"updates": [{}]}])
async def test_a_batch_without_operations_is_refused(client: Client, body: dict[str, Any]) -> None:
    status, reply = await sent(client, MANY, **body)
    assert (status, reply["code"], reply["data"]) == (
        400,
        "INVALID_UPDATES",
        {"field": "operations"},
    )


async def test_a_batch_of_operations_is_bounded(client: Client, node: FakeNode) -> None:
    items = [{"workOrderId": ORDER, "operation": "pause"}] * 4
    status, body = await sent(client, MANY, operations=items)
    assert (status, body["code"]) == (400, "INVALID_UPDATES")
    assert not node.region.asked


@pytest.mark.parametrize(
    ("page", "total", "seqs", "asked"),
    [
        (1, 5, [5, 4], (4, None)),
        (2, 5, [3, 2], (2, 3)),
        (3, 5, [1], (0, 1)),
        (1, 0, [], (0, None)),
        (4, 5, [], None),
        (2, 5, [None, None], None),
        (3, 5, [None], (0, 0)),
    ],
)
async def test_a_page_of_the_log_has_the_operations_between_its_changes(
    client: Client,
    node: FakeNode,
    page: int,
    total: int,
    seqs: list[int | None],
    asked: tuple[int, int | None] | None,
) -> None:
    node.store.page = LogPage(total, tuple({"seq": seq} for seq in seqs))
    node.store.operated = [{"operation": "pause"}]
    path = f"/api/workorder/quantity-logs/{ORDER}?page={page}&pageSize=2"
    async with client.get(path) as reply:
        assert "operations" not in (await reply.json())["data"]
    async with client.get(f"{path}&operations=true") as reply:
        told = (await reply.json())["data"]["operations"]
    assert told == ([] if asked is None else [{"operation": "pause"}])
    queries = [(each.first, each.last) for each in node.store.asked_operations]
    assert queries == ([] if asked is None else [asked])
