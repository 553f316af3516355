"""The main service edits the same documents in MongoDB while updates come in."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId

from actors.rules import WorkOrderId
from tests.service.books import shown_books, shown_log, stored_books
from tests.service.checker import mistakes_in
from tests.service.load import Load
from tests.service.recount import Foreign, exact
from tests.trace import Call, Update, morning, order_id, send, session

if TYPE_CHECKING:
    import aiohttp
    from pymongo.collection import Collection

    from tests.contract.backdoor import MongoBackdoor
    from tests.service.places import Place
    from tests.service.recount import Plan

EDITS = 400
CALLS_PER_EDIT = 4
STATUSES = ("PENDING", "IN_PROGRESS", "PAUSED", "COMPLETED", "CANCELLED")
EDITED = [order_id(index) for index in range(4)]
"""The orders that most updates are for."""

pytestmark = pytest.mark.parametrize("place", ["standalone", "replica-set"], indirect=True)


class MainService:
    """Another writer: plans, statuses, quantities and fields of its own."""

    def __init__(self, orders: Collection[dict[str, Any]]) -> None:
        self._orders = orders
        self._rng = Random(7)  # noqa: S311 -- a drill, not a secret
        self.plans: dict[str, list[Plan]] = defaultdict(list)
        self.statuses: dict[str, list[str]] = defaultdict(list)
        self.increments: dict[str, Counter[str]] = defaultdict(Counter)
        self.remarks: dict[str, str] = {}

    def edit(self, number: int) -> None:
        """Make one edit; each order has mostly one kind of them."""
        index = number % len(EDITED)
        order = EDITED[index]
        match index if self._rng.random() < 0.8 else self._rng.randrange(4):
            case 0:
                plan, scrap = self._rng.randint(1, 400), self._rng.randint(0, 5)
                self.plans[order].append((exact(plan), exact(scrap)))
                self._set(order, planProductionQuantity=plan, scrapQuantity=scrap)
            case 1:
                status = self._rng.choice(STATUSES)
                self.statuses[order].append(status)
                self._set(order, status=status)
            case 2:
                kind = self._rng.choice(("input", "output"))
                amount = self._rng.randint(1, 3)
                self.increments[order][kind] += amount
                self._orders.update_one(
                    {"_id": ObjectId(order)}, {"$inc": {f"{kind}Quantity": amount}}
                )
            case _:
                self.remarks[order] = f"remark {number}"
                self._set(order, remark=self.remarks[order])

    def _set(self, order: str, **fields: object) -> None:
        self._orders.update_one({"_id": ObjectId(order)}, {"$set": fields})

    def account(self) -> dict[str, Foreign]:
        return {
            order: Foreign(
                self.plans[order],
                self.statuses[order],
                {kind: Decimal(sum_) for kind, sum_ in self.increments[order].items()},
                {"remark": self.remarks[order]} if order in self.remarks else {},
            )
            for order in EDITED
        }


async def test_edits_of_the_main_service_survive_the_load_and_the_sums_hold(place: Place) -> None:
    await place.open(morning())
    main_service = MainService(_orders(place))
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
    assert load.codes.keys() <= {"UPDATED", "PARTIALLY_UPDATED", "NOT_UPDATED", *_refusals()}
    assert len(outcomes) > EDITS * CALLS_PER_EDIT
    assert mistakes_in(shown, outcomes, account) == []
    assert mistakes_in(stored, outcomes, account) == []


async def test_a_decision_follows_an_edit_made_just_before_it(place: Place) -> None:
    await place.open(morning())
    order = order_id(20)
    edit = _orders(place).update_one
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


def _orders(place: Place) -> Collection[dict[str, Any]]:
    backdoor = place.backdoor
    if TYPE_CHECKING:
        assert isinstance(backdoor, MongoBackdoor)
    return backdoor.database["production_plan_work_orders"]


def _refusals() -> set[str]:
    return {"DUPLICATE_OPERATION"}
