"""Documents that scripts and imports have spoilt: they hurt their own order and no other."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from bson import Decimal128, ObjectId

from tests.service.main_service import orders_of
from tests.trace import Call, Start, Update, send, session

if TYPE_CHECKING:
    from tests.contract.backdoor import MongoBackdoor
    from tests.service.places import Place

SPOILT = "6560a0000000000000000001"
SOUND = [f"6560a0000000000000001{number:03d}" for number in range(40)]
STEP = "6560a00000000000000000a1"
SCAN = {"relatedBarcode": "SN-1", "processStepId": STEP, "barcodeOperation": "SCAN_PROCESS"}
TICKS_S = 2.5
"""A few looks of the node at its term, at LEASE_TTL=1."""

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

    assert spoilt.status == 500
    assert {answer.status for answer in sound} == {200}
    assert later.status == 200
    assert [event["epoch"] for event in place.node.events("owner")] == [1, 2]
    assert place.node.events("stepped_down") == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"changeQuantity": "1"}, 409, id="text"),
        pytest.param({"changeQuantity": Decimal128("1")}, 409, id="decimal"),
        pytest.param({"changeQuantity": "-1"}, 200, id="an-unbind-as-text"),
        pytest.param({"changeQuantity": "one"}, 200, id="no-number"),
        pytest.param({"changeQuantity": None}, 200, id="nothing"),
        pytest.param({"planServer": "?"}, 409, id="something-under-our-name"),
        pytest.param({"planServer": {"requestedQuantity": "?"}}, 409, id="no-number-of-ours"),
    ],
)
async def test_an_old_entry_counts_for_rule_4_however_its_quantity_is_written(
    place: Place, fields: dict[str, object], status: int
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

    assert answer.status == status
