"""The main service edits the same documents in MongoDB while updates come in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId

from actors.domain.model import WorkOrderId
from tests.service.books import shown_books, shown_log, stored_books
from tests.service.checker import mistakes_in
from tests.service.load import Load
from tests.service.main_service import MainService, orders_of
from tests.trace import Call, Update, morning, order_id, send, session

if TYPE_CHECKING:
    import aiohttp

    from tests.service.places import Place

EDITS = 150
CALLS_PER_EDIT = 4
CODES = {"UPDATED", "PARTIALLY_UPDATED", "NOT_UPDATED", "DUPLICATE_OPERATION"}

pytestmark = pytest.mark.parametrize("place", ["replica-set"], indirect=True)


@pytest.mark.long
async def test_edits_of_the_main_service_survive_the_load_and_the_sums_hold(place: Place) -> None:
    await place.open(morning())
    main_service = MainService(place)
    async with session(place.node.uri) as client:
        load = Load(client, seed=4)
        load.start()
        for number in range(EDITS):
            await asyncio.to_thread(main_service.edit, number)
            await load.settled(number * CALLS_PER_EDIT)
        outcomes = await load.finish()
        shown = await shown_books(client, morning())
    await place.node.stopped()
    stored = await asyncio.to_thread(stored_books, place.backdoor, morning())
    account = main_service.account()

    assert load.mistakes == []
    assert load.codes.keys() <= CODES
    assert len(outcomes) > EDITS * CALLS_PER_EDIT
    assert mistakes_in(shown, outcomes, account) == []
    assert mistakes_in(stored, outcomes, account) == []


async def test_a_decision_follows_an_edit_made_just_before_it(place: Place) -> None:
    await place.open(morning())
    order = order_id(20)
    edit = orders_of(place).update_one
    here = {"_id": ObjectId(order)}
    async with session(place.node.uri) as client:
        # From now on the order's actor has a copy, which each edit makes an old one.
        await _applied(client, order, "output", 2)
        edit(here, {"$set": {"planProductionQuantity": 8, "scrapQuantity": 0}})
        half = await _applied(client, order, "output", 2)
        edit(here, {"$set": {"scrapQuantity": 4}})
        less = await _applied(client, order, "output", 1)
        edit(here, {"$set": {"planProductionQuantity": 6}})
        done = await _applied(client, order, "output", 1)
        edit(here, {"$set": {"status": "IN_PROGRESS"}})
        going_on = await _applied(client, order, "output", -1)
        edit(here, {"$set": {"status": "COMPLETED"}})
        reopened = await _applied(client, order, "output", -1)
        edit(here, {"$inc": {"inputQuantity": 7}})
        added = await _applied(client, order, "input", 1)
        edit(here, {"$set": {"inputQuantity": 3}})
        cut = await _applied(client, order, "input", -5)
        edit(here, {"$set": {"status": "CANCELLED"}})
        kept = await _applied(client, order, "input", 1)
        log = await shown_log(client, order)
    stored = await asyncio.to_thread(place.backdoor.order, WorkOrderId(order))

    assert half["afterProgress"] == 50
    assert less["afterProgress"] == 41
    assert (done["afterStatus"], done["afterProgress"]) == ("COMPLETED", 100)
    assert (going_on["beforeStatus"], going_on["afterStatus"]) == ("IN_PROGRESS", "IN_PROGRESS")
    assert (reopened["beforeStatus"], reopened["afterStatus"]) == ("COMPLETED", "PAUSED")
    assert (added["beforeQuantity"], added["afterQuantity"]) == (7, 8)
    assert (cut["beforeQuantity"], cut["quantity"], cut["afterQuantity"]) == (3, -3, 0)
    assert kept["afterStatus"] == "CANCELLED"
    assert stored["status"] == "CANCELLED"
    assert stored["scrapQuantity"] == 4
    assert [stored["inputQuantity"], stored["outputQuantity"]] == [1, 4]
    assert [row["beforeQuantity"] for row in reversed(log)] == [0, 2, 4, 5, 6, 5, 7, 3, 0]


async def _applied(
    client: aiohttp.ClientSession, order: str, kind: str, quantity: int
) -> dict[str, Any]:
    answer = await send(client, Call((Update(order, kind, quantity),)))
    assert answer.status == 200, answer
    data: dict[str, Any] = answer.body["data"]
    return data
