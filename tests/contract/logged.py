"""Entries of a log as several hands write them, and what a store sums them up to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.contract.cases import MATERIAL, STEP

if TYPE_CHECKING:
    import random

    from actors.store import Store
    from actors.store.quantities import QuantityQuery, QuantityRow

Document = dict[str, Any]
_NOT_ALWAYS = {"isAutomatic", "barcodeOperation", "operatorId", "processStepId", "workOrderNo"}


def random_entry(
    chance: random.Random, number: int, orders: list[Document], since: datetime
) -> Document:
    """Make an entry of the two days from `since` on, some fields left out."""
    order = chance.choice(orders)
    entry: Document = {
        "_id": f"{number + 1:024x}",
        "workOrderId": order["_id"],
        "workOrderNo": order["workOrderNo"],
        "materialId": MATERIAL,
        "materialName": chance.choice(["主板", "外壳", None]),
        "productionLineId": chance.choice(["line 1", "line 2"]),
        "productionLineName": "SMT一线",
        "changeType": chance.choice(["input", "output"]),
        "changeQuantity": chance.choice([1, 1, 1, -1, 0, 2.5, 0.1]),
        "processStepId": chance.choice([STEP, None]),
        "processName": "贴片",
        "barcodeOperation": chance.choice(["SCAN_PROCESS", "OTHER", "UNBIND_PROCESS"]),
        "operatorId": chance.choice(["SYSTEM", "7", "12"]),
        "operatorName": chance.choice(["王", "李"]),
        "isAutomatic": chance.choice([True, False]),
        "operateTime": since + timedelta(milliseconds=chance.randrange(49 * 3_600_000)),
    }
    left_out = set(chance.sample(sorted(entry), 2)) & _NOT_ALWAYS
    return {name: each for name, each in entry.items() if name not in left_out}


async def rows(store: Store, query: QuantityQuery) -> list[QuantityRow]:
    """Return all rows of a query."""
    return [row async for part in store.statistics.quantities(query) for row in part]
