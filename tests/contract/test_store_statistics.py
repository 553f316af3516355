"""Sums over the log: both databases answer as a recount of the entries does."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from actors.store.quantities import Calendar, Dimension, QuantityQuery, QuantityRow, Sums
from tests.contract.cases import LINE, MATERIAL, STEP, order_document
from tests.contract.logged import random_entry, rows
from tests.recounted import recounted

if TYPE_CHECKING:
    from actors.store import Store
    from tests.contract.backdoor import Backdoor, RealBackdoor

    Document = dict[str, Any]

pytestmark = pytest.mark.adapters
# The clocks went back in Berlin in the night of the 25th.
_SINCE = datetime(2026, 10, 24, 22, tzinfo=UTC)
_UNTIL = datetime(2026, 10, 26, 23, tzinfo=UTC)
_BERLIN = Calendar.of(ZoneInfo("Europe/Berlin"), _SINCE, _UNTIL, (8 * 60, 13 * 60 + 30, 20 * 60))
_MANY = 1_200
_EVERYTHING = QuantityQuery(_SINCE, _UNTIL, calendar=_BERLIN)


@pytest.fixture
def entries(store: Store, backdoor: RealBackdoor) -> list[Document]:  # noqa: ARG001 opened by now
    """Put a log of three orders, by several hands, some fields left out as in years before."""
    chance = random.Random(16)  # noqa: S311 -- the same each time
    orders = [order_document() for _ in range(3)]
    for number, order in enumerate(orders):
        if number:
            order["productionOrderNo"] = f"MO-{number}"
        backdoor.put_order(order)
    made = [random_entry(chance, number, orders, _SINCE) for number in range(150)]
    # What counts for nothing: another type of change, no number, no time.
    made += [
        random_entry(chance, 200, orders, _SINCE) | {"changeType": "scrap"},
        random_entry(chance, 201, orders, _SINCE) | {"changeQuantity": "many"},
        random_entry(chance, 202, orders, _SINCE) | {"changeQuantity": True},
        random_entry(chance, 203, orders, _SINCE) | {"changeQuantity": "3"},
    ]
    backdoor.put_logs(made)
    return made


def _production_orders(backdoor: Backdoor, entries: list[Document]) -> dict[str, str]:
    ids = {each["workOrderId"] for each in entries}
    orders = {each: backdoor.order(each) for each in ids}
    return {each: order.get("productionOrderNo") for each, order in orders.items()}  # type: ignore[misc]


async def test_every_grouping_is_what_a_recount_gives(
    store: Store, backdoor: Backdoor, entries: list[Document]
) -> None:
    numbers = _production_orders(backdoor, entries)
    groupings = [
        (),
        *((each,) for each in Dimension),
        *itertools.combinations((Dimension.ORDER, Dimension.SHIFT, Dimension.AUTOMATIC), 2),
        (Dimension.DAY, Dimension.PRODUCTION_ORDER, Dimension.OPERATOR),
    ]
    for group in groupings:
        query = replace(_EVERYTHING, group=group)
        assert await rows(store, query) == recounted(entries, numbers, query), group


async def test_every_filter_is_what_a_recount_gives(
    store: Store, backdoor: Backdoor, entries: list[Document]
) -> None:
    numbers = _production_orders(backdoor, entries)
    order_id = entries[0]["workOrderId"]
    filters: list[dict[Dimension, str | bool]] = [
        {Dimension.ORDER: order_id},
        {Dimension.PRODUCTION_ORDER: "MO-2"},
        {Dimension.PRODUCTION_ORDER: "MO-9"},
        {Dimension.LINE: "line 2"},
        {Dimension.MATERIAL: MATERIAL},
        {Dimension.MATERIAL: LINE},
        {Dimension.OPERATOR: "SYSTEM"},
        {Dimension.OPERATOR: "7"},
        {Dimension.PROCESS: STEP},
        {Dimension.BARCODE_OPERATION: "OTHER"},
        {Dimension.AUTOMATIC: True},
        {Dimension.AUTOMATIC: False, Dimension.LINE: "line 1"},
        {Dimension.PRODUCTION_ORDER: "MO-1", Dimension.ORDER: order_id},
    ]
    for where in filters:
        for kind in (None, "output"):
            query = replace(_EVERYTHING, where=where, change_type=kind, group=(Dimension.LINE,))
            assert await rows(store, query) == recounted(entries, numbers, query), where


async def test_both_ends_of_the_time_are_part_of_it(store: Store, entries: list[Document]) -> None:
    times = sorted(each["operateTime"] for each in entries)
    query = replace(_EVERYTHING, since=times[10], until=times[100])
    assert await rows(store, query) == recounted(entries, {}, query)


async def test_without_entries_there_is_a_row_of_nothing_and_no_group(store: Store) -> None:
    assert await rows(store, _EVERYTHING) == [QuantityRow((), (), Sums(), Sums(), None, None)]
    assert await rows(store, replace(_EVERYTHING, group=(Dimension.LINE,))) == []


async def test_rows_come_in_parts_and_who_stops_reading_holds_nobody_up(
    store: Store, backdoor: RealBackdoor
) -> None:
    order = order_document()
    backdoor.put_logs(
        [
            {
                "_id": f"{number + 1:024x}",
                "workOrderId": order["_id"],
                "changeType": "input",
                "changeQuantity": 1,
                "operatorId": f"{number:04}",
                "operateTime": _SINCE,
            }
            for number in range(_MANY)
        ]
    )
    query = replace(_EVERYTHING, group=(Dimension.OPERATOR,))
    for _ in range(3):
        parts = store.statistics.quantities(query)
        first = await anext(parts)
        assert 0 < len(first) < _MANY
        await parts.aclose()  # type: ignore[attr-defined]
    found = await rows(store, query)
    assert [row.keys for row in found] == [(f"{number:04}",) for number in range(_MANY)]
    assert len(await rows(store, replace(query, limit=7))) == 7
