"""Operations over HTTP: what is asked for, what comes back, and how they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors import errors
from actors.domain.model import Operation

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import FakeNode

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
    ],
)
async def test_each_has_the_quantity_that_it_is_about(
    client: Client, node: FakeNode, body: dict[str, Any], quantity: float
) -> None:
    status, _ = await sent(client, **body)
    assert (status, node.region.asked[0].change.quantity) == (200, quantity)


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
