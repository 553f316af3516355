"""The main service as another writer of the same documents, past this service."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId

from tests.contract.backdoor import MongoBackdoor
from tests.service.recount import Foreign, exact
from tests.trace import order_id

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from tests.service.places import Place
    from tests.service.recount import Plan

STATUSES: Final = ("PENDING", "IN_PROGRESS", "PAUSED", "COMPLETED", "CANCELLED")
EDITED: Final = tuple(order_id(index) for index in range(4))
"""The orders that most updates are for."""


def orders_of(place: Place) -> Collection[dict[str, Any]]:
    """Return the collection of orders that the node at `place` works on."""
    assert isinstance(place.backdoor, MongoBackdoor)
    return place.backdoor.database["production_plan_work_orders"]


class MainService:
    """Another writer: plans, statuses, quantities and fields of its own."""

    def __init__(self, place: Place) -> None:
        self._orders = orders_of(place)
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
