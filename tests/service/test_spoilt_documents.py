"""Documents that scripts and imports have spoilt: they hurt their own order and no other."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from bson import Decimal128, ObjectId

from actors.domain.job import Job, Position
from actors.domain.model import Change, ChangeType, LogContext, WorkOrderId, new_job_id
from actors.store.job_documents import job_document
from actors.store.schema import INBOX, ORDERS
from tests.contract.spoilt import spoilt_copies
from tests.service.main_service import orders_of
from tests.trace import Call, Start, Update, send, session

if TYPE_CHECKING:
    from tests.contract.backdoor import MongoBackdoor
    from tests.service.places import Place

SPOILT = "6560a0000000000000000001"
SOUND = [f"6560a0000000000000001{number:03d}" for number in range(40)]
STEP = "6560a00000000000000000a1"
SCAN = {"relatedBarcode": "SN-1", "processStepId": STEP, "barcodeOperation": "SCAN_PROCESS"}
ENVIRONMENT = {"LEASE_TTL": "5"}
TICKS_S = 2.5
"""At least one look of the node at its term."""

pytestmark = pytest.mark.parametrize("place", ["standalone"], indirect=True)


def _order(order_id: str, **fields: object) -> dict[str, Any]:
    return {
        "_id": order_id,
        "workOrderNo": f"WO-{order_id}",
        "status": "IN_PROGRESS",
        "inputQuantity": 0,
        **fields,
    }


async def test_an_outbox_that_nobody_can_read_stops_its_own_order_alone(place: Place) -> None:
    unreadable = {"epoch": 1, "seq": 1, "turn": 1, "outbox": [{"_id": "?"}], "dirty": True}
    await place.open(Start(tuple(_order(order_id) for order_id in SOUND)))
    orders_of(place).insert_one({**_order(SPOILT, planServer=unreadable), "_id": ObjectId(SPOILT)})
    await place.node.stopped()
    await place.node.started()
    async with session(place.node.uri) as client:
        spoilt, *sound = await asyncio.gather(
            *(send(client, Call((Update(order, "input"),))) for order in (SPOILT, *SOUND))
        )
        await asyncio.sleep(TICKS_S)
        later = await send(client, Call((Update(SOUND[0], "input"),)))

    assert (spoilt.status, spoilt.body["code"]) == (409, "ORDER_UNREADABLE")
    assert spoilt.body["data"]["field"] == "outbox"
    assert {answer.status for answer in sound} == {200}
    assert later.status == 200
    assert [event["epoch"] for event in place.node.events("owner")] == [1, 2]
    assert place.node.events("stepped_down") == []


@pytest.mark.parametrize(
    ("fields", "quantity"),
    [
        pytest.param({"changeQuantity": "1"}, 0, id="text"),
        pytest.param({"changeQuantity": Decimal128("1")}, 0, id="decimal"),
        pytest.param({"changeQuantity": "-1"}, 1, id="an-unbind-as-text"),
        pytest.param({"changeQuantity": "one"}, 1, id="no-number"),
        pytest.param({"changeQuantity": None}, 1, id="nothing"),
        pytest.param({"planServer": "?"}, 0, id="something-under-our-name"),
        pytest.param({"planServer": {"requestedQuantity": "?"}}, 0, id="no-number-of-ours"),
    ],
)
async def test_an_old_entry_counts_for_rule_4_however_its_quantity_is_written(
    place: Place, fields: dict[str, object], quantity: int
) -> None:
    await place.open(Start((_order(SOUND[0], inputQuantity=1),)))
    if TYPE_CHECKING:
        assert isinstance(place.backdoor, MongoBackdoor)
    place.backdoor.database["work_order_quantity_logs"].insert_one(
        {
            **SCAN,
            "workOrderId": ObjectId(SOUND[0]),
            "processStepId": ObjectId(STEP),
            "changeType": "input",
            "changeQuantity": 1,
            "operateTime": datetime(2024, 1, 1, tzinfo=UTC),
            **fields,
        }
    )
    async with session(place.node.uri) as client:
        answer = await send(client, Call((Update(SOUND[0], "input", 1, SCAN),)))

    # A scan that is counted already is answered with success, and adds nothing.
    assert (answer.status, answer.body["data"]["quantity"]) == (200, quantity)


READS = (
    "/health",
    "/metrics",
    "/api/alarms",
    "/api/actors",
    "/api/actors/stats",
    "/api/nodes",
    "/api/history",
    "/api/workorder/search?q=WO-",
    "/api/workorder/queue/stats",
    "/api/workorder/queue/locks",
    "/api/workorder/queue/jobs?state=waiting",
    "/api/workorder/queue/jobs?state=completed",
    "/api/workorder/queue/jobs?state=failed&pageSize=100",
)


def _spoilt_orders() -> list[dict[str, Any]]:
    ours = {"epoch": 1, "seq": 1, "turn": 1, "outbox": [], "dirty": True}
    orders = spoilt_copies(lambda: _order("", outputQuantity=0, planServer=dict(ours)))
    # A higher epoch is another owner's, and would depose this one, as it must.
    return [
        order | {"_id": ObjectId()} for name, order in orders if name != "planServer.epoch: decimal"
    ]


def _job() -> dict[str, Any]:
    change = Change(new_job_id(), ChangeType.INPUT, 1, LogContext())
    job = Job(WorkOrderId(SOUND[0]), change, Position(1, 1), datetime.now(UTC))
    document = job_document(job)
    return document | {name: ObjectId(document[name]) for name in ("_id", "workOrderId")}


async def test_spoilt_documents_of_all_kinds_hurt_no_other_and_end_no_node(place: Place) -> None:
    await place.open(Start(tuple(_order(order_id) for order_id in SOUND)))
    if TYPE_CHECKING:
        assert isinstance(place.backdoor, MongoBackdoor)
    orders = _spoilt_orders()
    place.backdoor.database[ORDERS].insert_many(orders)
    place.backdoor.database[INBOX].insert_many(
        document | {"_id": ObjectId()} for _, document in spoilt_copies(_job)
    )
    await place.node.stopped()
    await place.node.started()
    views = ("detail", "quantity-logs")
    paths = [f"/api/workorder/{view}/{order['_id']}" for order in orders for view in views]
    async with session(place.node.uri) as client:
        statuses = {}
        for path in (*READS, *paths):
            async with client.get(path) as reply:
                statuses[path] = reply.status
        answers = await asyncio.gather(
            *(send(client, Call((Update(order, "input"),))) for order in SOUND)
        )
        async with client.get(READS[-1]) as reply:
            failed = await reply.text()

    assert {path: status for path, status in statuses.items() if status != 200} == {}
    assert {answer.status for answer in answers} == {200}
    assert "JOB_UNREADABLE" in failed
    assert place.node.events("stepped_down") == []
