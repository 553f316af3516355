"""Orders that come from elsewhere, a backup say, with the marks of later terms on them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.trace import Call, Start, Update, send, session

if TYPE_CHECKING:
    from tests.service.places import Place
    from tests.trace import Answer

RESTORED = "6560a0000000000000000001"
OTHER = "6560a0000000000000000002"
EPOCH = 1_000_000
DEADLINE_S = 100


async def test_an_order_of_a_later_epoch_than_was_ever_claimed_stops_nobody_for_long(
    place: Place,
) -> None:
    """Else each touch of that one order would end the node's term, for all orders, for ever."""
    await place.open(
        Start(
            (
                {
                    "_id": RESTORED,
                    "workOrderNo": "WO-1",
                    "status": "IN_PROGRESS",
                    "planProductionQuantity": 10,
                    "inputQuantity": 3,
                    "outputQuantity": 0,
                    "planServer": {"epoch": EPOCH, "seq": 3, "turn": 3, "outbox": []},
                },
                {"_id": OTHER, "workOrderNo": "WO-2", "status": "PENDING", "inputQuantity": 0},
            )
        )
    )
    restored = await _settled(place, Call((Update(RESTORED, "input", 1, key="k"),)))
    other = await _settled(place, Call((Update(OTHER, "input", 1, key="k"),)))
    again = await _settled(place, Call((Update(RESTORED, "input", 1),)))

    assert [answer.status for answer in (restored, other, again)] == [200, 200, 200]
    assert restored.body["data"]["seq"] == 4
    assert again.body["data"]["afterQuantity"] == 5
    terms = [event["epoch"] for event in place.node.events("owner")]
    assert terms == [1, EPOCH + 1]


async def _settled(place: Place, call: Call) -> Answer:
    async with session(place.node.uri) as client, asyncio.timeout(DEADLINE_S):
        while True:
            answer = await send(client, call)
            if answer.status != 503:
                return answer
            await asyncio.sleep(0.05)
